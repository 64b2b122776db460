"""How a runtime is doing: what is to be read off while it runs, at no cost to it."""

from time import monotonic

from ..actors.entity import Entity
from ..actors.orchestration import Orchestration
from ..persistence.records import Roster
from .activities import Activities
from .engine.partition import Partition
from .engine.slot import Actor, Slot
from .sharing.crew import Crew


class Vitals:
    """Numbers of one runtime, true for the moment; from any thread."""

    def __init__(
        self, partition: Partition, activities: Activities, crew: Crew | None = None
    ) -> None:
        self._partition = partition
        self._activities = activities
        self._crew = crew

    @property
    def ready(self) -> int:
        """Actors that wait for their turn."""
        return self._partition.ready

    @property
    def resident(self) -> int:
        """Actors in memory."""
        return len(self._partition.residents.slots)

    @property
    def parked(self) -> int:
        """Of them those that wait for a mend."""
        return sum(slot.parked is not None for slot in self._slots())

    @property
    def messages(self) -> int:
        """Messages that actors in memory have not taken yet."""
        return sum(_backlog(slot.actor) for slot in self._slots())

    @property
    def activities_waiting(self) -> int:
        """Activities that are due, and wait for a worker or a place."""
        return self._activities.waiting

    @property
    def activities_running(self) -> int:
        """Activities that are being run."""
        return self._activities.executing

    # Of one worker among others; None where a store has one owner, or before the first heartbeat.

    @property
    def partitions(self) -> int | None:
        """Partitions whose actors run here."""
        return None if self._crew is None else len(self._crew.holdings.local)

    @property
    def lag(self) -> int | None:
        """Messages of clients and of other workers that waited for this one at its heartbeat."""
        roster = self._roster
        return None if roster is None else roster.lag

    @property
    def silent(self) -> float | None:
        """Seconds since the last heartbeat that the store has answered."""
        roster = self._roster
        return None if roster is None else monotonic() - roster.beaten

    @property
    def lease_left(self) -> float | None:
        """Seconds until others may take over; below zero once they may."""
        roster = self._roster
        return None if roster is None else roster.beaten + roster.lease - monotonic()

    @property
    def shared_running(self) -> int | None:
        """Shared activities that this worker had taken at its heartbeat."""
        roster = self._roster
        return None if roster is None else roster.errands

    @property
    def shared_waiting(self) -> int | None:
        """Shared activities of the whole hub that no worker had taken then."""
        roster = self._roster
        return None if roster is None else roster.waiting

    @property
    def shared_waited(self) -> float | None:
        """For how many seconds the first of these might have begun."""
        roster = self._roster
        return None if roster is None else roster.waited / 1_000_000

    @property
    def _roster(self) -> Roster | None:
        return None if self._crew is None else self._crew.roster

    def _slots(self) -> list[Slot]:
        return list(self._partition.residents.slots.values())


def _backlog(actor: Actor | None) -> int:
    match actor:
        case Orchestration():
            return len(actor.inbox) + len(actor.waiting)
        case Entity():
            return actor.backlog
        case None:
            return 0
