"""Timers: set, cut, and found by when they are due."""

from ..records import TimerRow
from .rows import FIRST, SECOND, OpenStore, Owner


def timer(timer_id: int, due: int) -> TimerRow:
    return TimerRow("a", timer_id, FIRST, due)


class TestTimers:
    def test_a_stretch_has_its_beginning_but_not_its_end(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(timers_set=[timer(n, n) for n in (4, 3, 2, 1)])
        assert owner.store.due(2, 4).timers == [timer(2, 2), timer(3, 3)]
        assert owner.store.due(4, 4).timers == []

    def test_a_cut_timer_is_never_due(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(timers_set=[timer(1, 1), timer(2, 2)])
        owner.commit(timers_cut=[("a", 1), ("a", 9), ("unknown", 2)])
        assert owner.store.due(0, 9).timers == [timer(2, 2)]

    def test_a_timer_set_and_cut_in_one_commit_is_cut(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(timers_set=[timer(1, 1)], timers_cut=[("a", 1)])
        assert owner.store.due(0, 9).timers == []

    def test_a_timer_set_again_moves(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(timers_set=[timer(1, 1)])
        moved = TimerRow("a", 1, SECOND, 5)
        owner.commit(timers_set=[moved])
        assert owner.store.due(0, 9).timers == [moved]
