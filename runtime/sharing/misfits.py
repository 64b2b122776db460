"""Partitions that another worker should have, as its code is missing here.

1.  What is missing is noted at the partition, so that only who has it takes that; it is noted for
    good, as the next owner finds out by itself if that is wrong.
2.  If nobody has all that was missed by one owner or another, those who have parts take turns: each
    keeps the partition for a while, which doubles, so that they do not pass it on for ever.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from ...actors.entity import Entity
from ...actors.repertoire import Needed, read, written
from ...persistence.records import Roster
from ..engine.residents import Residents
from .holdings import Holdings

STAY = 5_000_000
STAY_MAX = 300_000_000
TURNS_MAX = 10
"""After so many a turn is as long as it gets."""


class Misfits:
    """Of one worker."""

    def __init__(self, holdings: Holdings, residents: Residents) -> None:
        self._holdings = holdings
        self._residents = residents
        self._since: dict[int, int] = {}
        self._turns: Counter[int] = Counter()
        """How often a partition went to others."""

    def taken(self, numbers: Iterable[int], now: int) -> None:
        """These are here since now."""
        self._since.update(dict.fromkeys(numbers, now))

    def due(self, roster: Roster, now: int) -> dict[int, str]:
        """What is to be given up now, with the code that the next owner is to have."""
        missed = self._missed().items()
        found = ((number, self._needs(roster, number, needs, now)) for number, needs in missed)
        return {number: written(needs) for number, needs in found if needs}

    def gave_up(self, numbers: Iterable[int]) -> None:
        """These have gone to others; should they come back, they stay longer."""
        self._turns.update(numbers)

    def used(self) -> dict[int, set[Needed]]:
        """What the actors in memory need, by partition."""
        used: defaultdict[int, set[Needed]] = defaultdict(set)
        for slot in self._residents.slots.values():
            actor = slot.actor
            if actor is not None and not (isinstance(actor, Entity) and actor.state is None):
                used[self._holdings.number_of(slot.id)].add(Needed.by(actor))
        return used

    def _missed(self) -> dict[int, set[Needed]]:
        """What parked actors need that others have, by partition."""
        holdings = self._holdings
        code = holdings.code
        there = {needed for needed in set(code.missed.values()) if code.found_elsewhere(needed)}
        missed: defaultdict[int, set[Needed]] = defaultdict(set)
        for actor_id, needed in list(code.missed.items()):
            slot = self._residents.slots.get(actor_id)
            if slot is not None and slot.parked is None:
                # It was terminated, or begun anew, meanwhile.
                del code.missed[actor_id]
            elif needed in there and holdings.has(actor_id):
                missed[holdings.number_of(actor_id)].add(needed)
        return missed

    def _needs(self, roster: Roster, number: int, missed: set[Needed], now: int) -> set[Needed]:
        code = self._holdings.code
        others = [name for name in roster.alive if name != self._holdings.worker]
        before = {
            needed
            for needed in read(roster.needs.get(number, ""))
            if code.own.has(needed) or code.found_elsewhere(needed)
        }
        if any(code.can(name, missed | before) for name in others):
            return missed | before
        # Nobody has it all.
        turns = self._turns[number]
        if now - self._since.get(number, 0) < min(STAY << min(turns, TURNS_MAX), STAY_MAX):
            return set()
        if any(code.can(name, missed) for name in others):
            return missed
        # Each time for another one, so that nobody is left out for good.
        return {sorted(missed)[turns % len(missed)]}
