"""What a commit costs the memory store does not grow with what it holds."""

from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Commit, TurnRow


class CountedTurn(TurnRow):
    """Counts how often a store looks at it."""

    looks = 0

    def __getattribute__(self, name: str) -> object:
        if name == "sequence":
            CountedTurn.looks += 1
        return super().__getattribute__(name)


def commit_turn(store: MemoryStore, epoch: int, sequence: int) -> int:
    """Commit one turn; returns how often turns were looked at."""
    before = CountedTurn.looks
    store.commit(Commit(epoch, turns=[CountedTurn("x", sequence, 0, "[]")]))
    return CountedTurn.looks - before


def test_a_long_history_costs_no_more() -> None:
    store = MemoryStore()
    epoch = store.own()
    first = commit_turn(store, epoch, 0)
    later = [commit_turn(store, epoch, sequence) for sequence in range(1, 200)]
    assert first > 0
    assert set(later) == {first}
