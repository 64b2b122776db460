"""What each worker of a hub can run, and what waits here for others' code."""

from collections.abc import Callable, Iterable

from attrs import evolve

from ...actors.effects import Parked
from ...actors.entity import Entity
from ...actors.orchestration import Orchestration
from ...actors.repertoire import Needed, Repertoire, read
from ...persistence.records import Roster
from ..clock import Bell


class Code:
    """As of the last heartbeat. Workers differ while a new version is being deployed."""

    def __init__(self) -> None:
        self.own = Repertoire()
        """What this worker can run."""
        self.missed: dict[str, Needed] = {}
        """The actors that are parked here for want of code, with what they need."""
        self.bell = Bell()
        """Rung when something is missed that others have."""
        self._others: dict[str, Repertoire] = {}
        self._names: dict[str, str] = {}

    def met(self, roster: Roster, me: str) -> None:
        """Know who is there."""
        self._names = roster.names
        self._others = {
            worker: self._others.get(worker) or Repertoire(read(text))
            for worker, text in roster.repertoires.items()
            if worker != me
        }

    def found_elsewhere(self, needed: Needed) -> bool:
        """Whether another worker can run that."""
        return any(other.has(needed) for other in self._others.values())

    def sharers(self, needed: Needed) -> int:
        """How many workers can run that, this one among them."""
        return 1 + sum(other.has(needed) for other in self._others.values())

    def can(self, worker: str, needs: Iterable[Needed]) -> bool:
        """Whether that worker can run all of these."""
        return self._others.get(worker, self.own).has_all(needs)

    @property
    def is_everywhere(self) -> bool:
        """Whether all others can run what this worker can."""
        return all(other.has_all(self.own.definitions) for other in self._others.values())

    def explained(self, actor: Orchestration | Entity, parked: Parked) -> Parked:
        """Why an actor does not go on here, and who can go on with it."""
        needed = Needed.by(actor)
        if parked.reason != "missing definition" or self.own.has(needed):
            return parked
        self.missed[actor.id] = needed
        having = sorted(
            self._names[worker] for worker, other in self._others.items() if other.has(needed)
        )
        if not having:
            return evolve(parked, message=f"{parked.message}; no other worker has it")
        self.bell.ring()
        whose = f"its partition goes to a worker that has it: {', '.join(having)}"
        return evolve(parked, message=f"{parked.message}; {whose}")

    def forget_those(self, gone: Callable[[str], bool]) -> None:
        """These actors are not here any more."""
        self.missed = {name: code for name, code in self.missed.items() if not gone(name)}
