"""What has ended, and what is below it: how retention finds what may go."""

from ...actors.status import Status
from ..records import LONG_AGO, InstanceRow
from .rows import OpenStore, Owner, instance, message


def done(instance_id: str, completed: int, status: Status = Status.COMPLETED) -> InstanceRow:
    return instance(instance_id, status=status, completed=completed)


class TestEnded:
    def test_what_ended_first_comes_first(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(done("c", 30), done("b", 20), done("d", 20), done("a", 40))
        ended = owner.store.ended(Status.COMPLETED, LONG_AGO, 9)
        assert ended == [(20, "b"), (20, "d"), (30, "c"), (40, "a")]

    def test_pages_go_on_after_the_last(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(*(done(f"i{number}", number // 3) for number in range(9)))
        found, after = list[str](), LONG_AGO
        while page := owner.store.ended(Status.COMPLETED, after, 2):
            found += [instance_id for _, instance_id in page]
            after = page[-1]
        assert found == [f"i{number}" for number in range(9)]

    def test_only_the_wanted_status_counts(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(*(done(status.label, 5, status) for status in Status if status.is_terminal))
        owner.keep(instance("running"))
        assert owner.store.ended(Status.FAILED, LONG_AGO, 9) == [(5, "Failed")]

    def test_what_goes_on_is_left_out(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(done("again", 1), done("again", 7), done("parked", 2), done("asked", 3))
        owner.keep(done("parked", 2), done("begun", 4), done("kept", 9))
        owner.keep(instance("parked", status=Status.COMPLETED, completed=2, parked="{}"))
        owner.keep(instance("begun"))
        open_store().post([message("asked")])
        owner.commit(sent=[message("kept", 1)])
        ended = owner.store.ended(Status.COMPLETED, LONG_AGO, 9)
        assert ended == [(7, "again"), (9, "kept")]

    def test_the_purged_are_gone_from_it(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        ids = [f"i{number}" for number in range(9)]
        owner.keep(*(done(key, number) for number, key in enumerate(ids)))
        owner.store.purge(ids[:4])
        assert owner.store.ended(Status.COMPLETED, LONG_AGO, 2) == [(4, "i4"), (5, "i5")]
        owner.store.purge(ids[6:])
        owner.keep(done("i0", 0))
        ended = owner.store.ended(Status.COMPLETED, LONG_AGO, 9)
        assert ended == [(0, "i0"), (4, "i4"), (5, "i5")]


class TestFamily:
    def test_parents_come_before_their_children(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        below = {"root": ["b", "c"], "b": ["d"], "d": ["e"], "other": ["f"]}
        owner.keep(instance("root"), instance("other"))
        for parent, children in below.items():
            owner.keep(*(instance(child, parent_id=parent) for child in children))
        family = owner.store.family(["root"])
        assert sorted(family) == ["b", "c", "d", "e", "root"]
        for parent, children in below.items():
            for child in children if parent in family else ():
                assert family.index(parent) < family.index(child)

    def test_each_is_in_it_once(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(instance("a", parent_id="c"), instance("b", parent_id="a"))
        owner.keep(instance("c", parent_id="b"))
        assert sorted(owner.store.family(["a", "b", "a"])) == ["a", "b", "c"]

    def test_a_child_may_lose_or_change_its_parent(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(*(instance(child, parent_id="p") for child in "abc"), instance("p"))
        owner.keep(instance("a", parent_id="q"), instance("b"))
        owner.commit(instances={"c": None})
        assert owner.store.family(["p"]) == ["p"]
        assert owner.store.family(["q"]) == ["q", "a"]
