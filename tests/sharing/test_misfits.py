"""When a partition goes to others for want of code, worked out from a roster alone."""

from typing import Any

from perdure.actors.repertoire import Needed, Repertoire, read, written
from perdure.persistence.records import Roster
from perdure.runtime.sharing.holdings import Holdings
from perdure.runtime.sharing.misfits import STAY, Misfits

ONE, TWO, THREE = (Needed("orchestration", "flow", version) for version in "123")


class Nobody:
    """No actor is in memory."""

    def __init__(self) -> None:
        self.slots: dict[str, Any] = {}


class Worker:
    """The worker `a`, which runs version 1 and all eight partitions."""

    def __init__(self, **others: list[Needed]) -> None:
        self.holdings = Holdings("a", 8, len)
        self.holdings.local = set(range(8))
        self.code = {"a": [ONE], **others}
        self.holdings.code.own = Repertoire(frozenset([ONE]))
        self.holdings.code.met(self.roster({}), "a")
        residents: Any = Nobody()
        self.misfits = Misfits(self.holdings, residents)
        self.misfits.taken(range(8), 0)

    def roster(self, needs: dict[int, list[Needed]]) -> Roster:
        return Roster(
            {},
            [],
            [],
            [*self.code],
            {},
            {number: written(needed) for number, needed in needs.items()},
            {name: name for name in self.code},
            {name: written(code) for name, code in self.code.items()},
        )

    def due(self, now: int = 0, **needs: list[Needed]) -> dict[int, set[Needed]]:
        """What is to be given up; partitions are named by p and their number."""
        roster = self.roster({int(name[1:]): needed for name, needed in needs.items()})
        found = self.misfits.due(roster, now)
        return {number: set(read(text)) for number, text in found.items()}

    def misses(self, *needed: Needed) -> None:
        """Actors of the partition 3 are parked for want of these."""
        self.holdings.code.missed = dict(zip(("abc", "abd", "abe"), needed, strict=False))


def test_what_nobody_has_stays_where_it_is() -> None:
    worker = Worker(b=[ONE])
    worker.misses(TWO)
    assert worker.due() == {}


def test_what_is_missed_goes_at_once() -> None:
    worker = Worker(b=[ONE, TWO])
    worker.misses(TWO)
    assert worker.due() == {3: {TWO}}


def test_what_was_missed_before_is_kept_in_mind() -> None:
    worker = Worker(b=[TWO], c=[TWO, THREE])
    worker.misses(TWO)
    assert worker.due(p3=[THREE]) == {3: {TWO, THREE}}


def test_what_nobody_has_any_more_is_forgotten() -> None:
    worker = Worker(b=[TWO])
    worker.misses(TWO)
    assert worker.due(p3=[THREE]) == {3: {TWO}}


def test_who_has_parts_takes_longer_turns() -> None:
    worker = Worker(b=[TWO])
    worker.misses(TWO)
    for turn in (STAY, 2 * STAY, 4 * STAY):
        assert worker.due(turn - 1, p3=[ONE]) == {}
        assert worker.due(turn, p3=[ONE]) == {3: {TWO}}
        worker.misfits.gave_up([3])


def test_all_who_have_parts_get_their_turns() -> None:
    worker = Worker(b=[TWO], c=[THREE])
    worker.misses(TWO, THREE)
    assert worker.due(STAY) == {3: {TWO}}
    worker.misfits.gave_up([3])
    assert worker.due(2 * STAY) == {3: {THREE}}
