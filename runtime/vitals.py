"""How a runtime is doing: what is to be read off while it runs, at no cost to it."""

from ..actors.entity import Entity
from ..actors.orchestration import Orchestration
from .activities import Activities
from .partition import Partition
from .slot import Actor, Slot


class Vitals:
    """Numbers of one runtime, true for the moment; from any thread."""

    def __init__(self, partition: Partition, activities: Activities) -> None:
        self._partition = partition
        self._activities = activities

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
