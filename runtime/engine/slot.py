"""The place of one actor in a partition, whether the actor is in memory or not."""

from collections.abc import Callable

from attrs import define

from ...actors.effects import Parked
from ...actors.emptiness import NOTHING
from ...actors.entity import Entity
from ...actors.history import ExecutionRewound
from ...actors.orchestration import Orchestration
from ...actors.status import Status

Actor = Orchestration | Entity
Arrival = Callable[["Slot"], object]


@define(eq=False)
class Slot:
    """Where messages for one id go."""

    id: str
    actor: Actor | None = None
    """None while it is not loaded, or when there is no such instance."""
    loaded: bool = False
    """Whether what the store has of it is known."""
    fresh: bool = False
    """Whether its id was made just now, so that the store cannot have it."""
    arrivals: list[Arrival] = NOTHING
    """What came while it was being loaded, in order."""
    used: bool = False
    """Whether it had a turn since somebody last looked for one that is not needed."""
    queued: bool = False
    """Whether it waits for its turn."""
    busy: bool = False
    """Whether an async operation of it is running."""
    stored_execution: str | None = None
    """The execution that the store shows for it, once all batches before this one are durable."""
    parked: Parked | None = None
    damage: str | None = None
    """What is wrong with its row in the store, for as long as the row has to tell of it."""
    undurable: int = 0
    """In how many batches it has state that is not durable yet."""
    updated: int = 0
    """When what queries see of it last changed."""

    @property
    def rewinding(self) -> bool:
        """Whether the next turn takes back a failure."""
        actor = self.actor
        return (
            isinstance(actor, Orchestration)
            and actor.status is Status.FAILED
            and any(isinstance(message.event, ExecutionRewound) for message in actor.inbox)
        )

    @property
    def settled(self) -> bool:
        """Whether memory holds nothing of it that the store has not."""
        actor = self.actor
        if not self.loaded or self.queued or self.busy or self.undurable or self.arrivals:
            return False
        return actor is None or actor.idle
