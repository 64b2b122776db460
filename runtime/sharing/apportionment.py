"""Who is to have which partition, as each worker finds by itself from the same roster.

1.  A worker fits a partition if it can run all that is known to be needed there; if no living
    worker can, all fit.
2.  Only who fits takes a partition: up to an even share, and beyond that if all who fit have
    theirs, the one with the least.
3.  Who has more than an even share gives up what others have room for and fit.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from ...actors.repertoire import Needed, read
from ...persistence.records import Roster
from .code import Code


class Apportionment:
    """One worker's view of one roster."""

    def __init__(self, worker: str, size: int, roster: Roster, code: Code) -> None:
        self._worker = worker
        self._roster = roster
        self._code = code
        self._counts = Counter(roster.owners.values())
        share, rest = divmod(size, len(roster.alive))
        self._quotas = {name: share + (rank < rest) for rank, name in enumerate(roster.alive)}

    def _fitting(self, number: int) -> list[str]:
        alive = self._roster.alive
        needs = self._roster.needs.get(number)
        if needs is None:
            return alive
        return [name for name in alive if self._code.can(name, read(needs))] or alive

    def _room(self, name: str) -> int:
        return self._quotas[name] - self._counts[name]

    def wanted(self) -> list[int]:
        """What is free and for this worker to take; others likely begin elsewhere in the list."""
        roster, me = self._roster, self._worker
        # After an outage others may just not have come to their heartbeat yet.
        free = roster.released if roster.lapsed else roster.free
        begin = roster.alive.index(me) * len(free) // len(roster.alive)
        fitting = {number: self._fitting(number) for number in [*free[begin:], *free[:begin]]}
        # First those that few can take.
        ours = sorted(
            (n for n, names in fitting.items() if me in names), key=lambda n: len(fitting[n])
        )
        room = max(0, self._room(me))
        return ours[:room] + [n for n in ours[room:] if self._is_last_resort(fitting[n])]

    def _is_last_resort(self, fitting: list[str]) -> bool:
        if any(self._room(name) > 0 for name in fitting if name != self._worker):
            return False
        return self._worker == min(fitting, key=lambda name: (-self._room(name), name))

    def surplus(self, local: set[int], used: Callable[[], Mapping[int, set[Needed]]]) -> list[int]:
        """What this worker is to give up, as others have room for it, and all that is used there.

        Of what is used only memory is asked: what is forgotten comes back, if it has to.
        """
        if len(local) <= self._quotas[self._worker]:
            return []
        using: Mapping[int, set[Needed]] = {}
        if not self._code.is_everywhere:
            using = used()
        room = {name: self._room(name) for name in self._roster.alive if name != self._worker}
        found: list[int] = []
        for number in sorted(local, reverse=True):
            if len(local) - len(found) <= self._quotas[self._worker]:
                break
            taker = max(
                (
                    name
                    for name in self._fitting(number)
                    if name != self._worker and self._code.can(name, using.get(number, ()))
                ),
                key=room.__getitem__,
                default=None,
            )
            if taker is not None and room[taker] > 0:
                room[taker] -= 1
                found.append(number)
        return found
