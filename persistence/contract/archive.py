"""Export and install: whole orchestrations and entities move from one store to another."""

from ...actors.status import Status
from ..records import MessageRow, Query, TimerRow, Whole
from ..store import Store
from .rows import FIRST, OpenStore, Owner, entity, instance, message, turn

ROW = instance("a", tags={"k": "v"}, input="1", status=Status.SUSPENDED, open=True)
WHOLE = Whole(
    "a",
    ROW,
    turns=[turn("a", 0), turn("a", 1)],
    timers=[TimerRow("a", 1, FIRST, 5), TimerRow("a", 2, FIRST, 6)],
    messages=[MessageRow(0, "a", "first", FIRST, 9), MessageRow(0, "a", "second")],
)


def exported(store: Store, *ids: str) -> list[Whole]:
    wholes = list(store.export(ids or None))
    for whole in wholes:
        for waiting in whole.messages:
            waiting.position = 0
    return wholes


class TestArchive:
    def test_all_that_belongs_to_it_comes_out(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(
            instances={"a": ROW, "b": instance("b")},
            turns=[*WHOLE.turns, turn("b", 0)],
            timers_set=[*WHOLE.timers, TimerRow("b", 1, FIRST, 5)],
            sent=[MessageRow(1, "a", "first", FIRST, 9), message("b", 2)],
        )
        open_store().post([MessageRow(0, "a", "second")])
        assert exported(open_store(), "a", "unknown") == [WHOLE]

    def test_everything_comes_out_by_id(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(
            instances={"b": instance("b"), "a": instance("a")}, entities={"@e@k": entity("@e@k")}
        )
        open_store().post([message("@new@k")])
        assert [whole.id for whole in owner.store.export()] == ["@e@k", "@new@k", "a", "b"]
        assert list(owner.store.export([])) == []

    def test_what_is_exported_is_of_one_moment(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        rows = [instance(f"i{number:03}") for number in range(250)]
        owner.keep(*rows)
        wholes = owner.store.export()
        first = next(wholes)
        owner.commit(instances={row.id: None for row in rows})
        assert [first.instance, *(whole.instance for whole in wholes)] == rows

    def test_what_was_exported_can_be_installed(self, open_store: OpenStore) -> None:
        store = open_store()
        snapshot = Whole("@e@k", entity=entity("@e@k", locked_by="a", lock="{}"))
        coming = Whole("@e@new", messages=[message("@e@new")])
        assert open_store().install([WHOLE, snapshot, coming]) == []
        assert exported(store) == [snapshot, coming, WHOLE]
        assert [row.id for row in store.query(Query(tags=(("k", "v"),)), 9).rows] == ["a"]
        pending = store.recover(10)
        assert (pending.timers, pending.open) == (WHOLE.timers, ["a"])

    def test_installed_messages_lie_in_the_inbox(self, open_store: OpenStore) -> None:
        store = open_store()
        store.post([message("b")])
        store.install([WHOLE])
        assert [row.body for row in store.inbox(0)] == ["to b", "first", "second"]

    def test_nothing_is_installed_where_something_exists(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(instances={"b": instance("b")}, entities={"@e@k": entity("@e@k")})
        owner.commit(sent=[message("@mail@k", 1)])
        owner.store.post([message("@inbox@k")])
        before = exported(owner.store)
        version = owner.store.version()
        taken = ["@e@k", "@inbox@k", "@mail@k", "b"]
        coming = [WHOLE, *(Whole(actor_id, messages=[message(actor_id)]) for actor_id in taken)]
        assert owner.store.install(coming) == taken
        assert owner.store.install([WHOLE, WHOLE]) == ["a"]
        assert exported(owner.store) == before
        assert owner.store.version() == version

    def test_nothing_is_installed_of_nothing(self, open_store: OpenStore) -> None:
        assert open_store().install([]) == []

    def test_an_install_shows_in_the_version(self, open_store: OpenStore) -> None:
        store = open_store()
        version = store.version()
        open_store().install([WHOLE])
        assert store.version() != version
