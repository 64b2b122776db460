"""Purge: terminal orchestrations vanish with all that belongs to them."""

from ...actors.status import TERMINAL, Status
from ..records import Purged, Query, TimerRow
from .rows import FIRST, OpenStore, Owner, entity, instance, message, turn


class TestPurge:
    def test_all_that_belongs_to_it_goes(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(
            instances={"a": instance("a", status=Status.FAILED, tags={"k": "v"})},
            turns=[turn("a", 0), turn("b", 0)],
            timers_set=[TimerRow("a", 1, FIRST, 5)],
            sent=[message("a", 1), message("b", 2)],
        )
        open_store().post([message("a"), message("b")])
        assert open_store().purge(["a"]) == Purged(["a"], [])
        assert owner.store.instance("a") is None
        assert owner.store.query(Query(tags=(("k", "v"),)), 9).rows == []
        assert owner.store.history("a") == []
        assert owner.store.due(0, 9).timers == []
        assert owner.store.backlog("a") == 0
        assert owner.store.history("b") == [turn("b", 0)]
        assert owner.store.backlog("b") == 2

    def test_only_terminal_orchestrations_go(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        rows = {status.label: instance(status.label, status=status) for status in Status}
        owner.commit(instances=dict(rows), entities={"@e@k": entity("@e@k")})
        purged = owner.store.purge([*rows, "unknown", "@e@k"]).gone
        assert sorted(purged) == sorted(status.label for status in TERMINAL)
        assert owner.store.instances(rows).keys() == rows.keys() - set(purged)
        assert owner.store.entity("@e@k")

    def test_many_are_purged_step_by_step(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        ids = [f"i{number}" for number in range(250)]
        owner.keep(*(instance(key, status=Status.COMPLETED) for key in ids))
        step, steps = owner.store.purge(ids + ids), 1
        while step.left:
            assert step.gone + step.left == ids[-len(step.gone + step.left) :]
            assert owner.store.count(Query()) == {Status.COMPLETED: len(step.left)}
            step, steps = owner.store.purge(step.left), steps + 1
        assert owner.store.count(Query()) == {}
        assert steps > 1

    def test_what_cannot_be_purged_holds_nothing_up(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(instance("running"), instance("a", status=Status.FAILED))
        ids = [*(f"unknown{number}" for number in range(150)), "running", "a"]
        step, gone = owner.store.purge(ids), list[str]()
        while step.left:
            gone += step.gone
            step = owner.store.purge(step.left)
        assert gone + step.gone == ["a"]

    def test_a_long_history_goes_whole(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(*(instance(key, status=Status.COMPLETED) for key in "abc"))
        owner.commit(turns=[turn(key, number) for key in "abc" for number in range(2_000)])
        left, gone = ["a", "b", "c"], list[str]()
        while left:
            step = owner.store.purge(left)
            gone, left = gone + step.gone, step.left
        assert gone == ["a", "b", "c"]
        assert [owner.store.history(key) for key in "abc"] == [[], [], []]

    def test_nothing_is_purged_of_nothing(self, open_store: OpenStore) -> None:
        assert open_store().purge([]) == Purged([], [])

    def test_consuming_a_purged_message_is_no_error(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(
            instances={"a": instance("a", status=Status.COMPLETED)}, sent=[message("a", 1)]
        )
        owner.store.purge(["a"])
        owner.commit(consumed=[1])
