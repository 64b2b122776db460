"""Turns: the log of an instance, in order, until it is reset."""

from ..records import Stored, TimerRow
from .rows import FIRST, OpenStore, Owner, entity, instance, turn


class TestTurns:
    def test_history_is_in_order(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(turns=[turn("a", n) for n in range(12)])
        owner.commit(turns=[turn("b", 0), turn("a", 12)])
        assert owner.store.history("a") == [turn("a", n) for n in range(13)]

    def test_history_can_begin_later(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(turns=[turn("a", n) for n in range(12)])
        assert owner.store.history("a", 10) == [turn("a", 10), turn("a", 11)]
        assert owner.store.history("a", 12) == []

    def test_an_unknown_instance_has_no_history(self, open_store: OpenStore) -> None:
        assert open_store().history("a") == []

    def test_a_reset_forgets_turns_and_timers(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(
            turns=[turn("a", 0), turn("b", 0)],
            timers_set=[TimerRow("a", 1, FIRST, 5), TimerRow("b", 1, FIRST, 5)],
        )
        owner.commit(resets={"a", "unknown"})
        assert owner.store.history("a") == []
        assert owner.store.history("b") == [turn("b", 0)]
        assert owner.store.due(0, 9).timers == [TimerRow("b", 1, FIRST, 5)]

    def test_a_reset_comes_before_what_its_commit_writes(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(turns=[turn("a", 0), turn("a", 1)], timers_set=[TimerRow("a", 1, FIRST, 5)])
        anew = TimerRow("a", 1, FIRST, 7)
        owner.commit(resets={"a"}, turns=[turn("a", 0)], timers_set=[anew])
        assert owner.store.history("a") == [turn("a", 0)]
        assert owner.store.due(0, 9).timers == [anew]

    def test_actors_are_loaded_with_all_they_need(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(
            instances={"a": instance("a"), "b": instance("b")},
            entities={"@e@k": entity("@e@k")},
            turns=[turn("a", 1), turn("a", 0), turn("b", 0)],
        )
        assert owner.store.load(["a", "@e@k", "unknown", "@e@unknown"]) == {
            "a": Stored(instance("a"), [turn("a", 0), turn("a", 1)]),
            "@e@k": Stored(entity=entity("@e@k")),
            "unknown": Stored(),
            "@e@unknown": Stored(),
        }
