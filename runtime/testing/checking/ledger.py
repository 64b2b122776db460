"""What ever became durable, in order: the other half of the evidence.

A store keeps only the newest execution of an instance. A simulation sees every commit, and keeps
them all; of a store that others filled, `Ledger.of` has what is left there.
"""

from collections.abc import Iterator, Sequence

from attrs import Factory, define

from perdure.actors.effects import Effects
from perdure.actors.entity import Entity
from perdure.actors.history import AnyEvent, ExecutionRewound, ExecutionStarted, TaskScheduled, Turn
from perdure.actors.messages import Message
from perdure.actors.orchestration import Orchestration
from perdure.actors.wire import UnreadableEventError, read_event, read_events, read_notes
from perdure.persistence.records import Commit, TurnRow, Whole


@define
class Recorded:
    """A turn, and the moment at which it became durable."""

    moment: int
    turn: Turn


@define
class Step:
    """One turn of any actor, as it was seen when it was taken; it has become durable since."""

    actor: str
    execution_id: str
    """Of an orchestration, when the turn was over."""
    taken: list[AnyEvent]
    """The messages that it is done with, in order."""
    sent: list[Message]
    at: int
    """What it took for the current time."""
    continued: ExecutionStarted | None = None
    """The start of the next execution, if this one continued as new."""
    taken_at: int = 0
    """The moment at which the turn was taken."""
    moment: int = 0
    """The moment at which it became durable."""


def step_of(actor: Orchestration | Entity, effects: Effects) -> Step:
    """What a turn took and sent."""
    taken = [message.event for message in effects.taken]
    if isinstance(actor, Entity):
        return Step(actor.id, "", taken, list(effects.sent), effects.now)
    continued = next(
        (
            message.event
            for message in effects.sent
            if effects.reset
            and message.target == actor.id
            and isinstance(message.event, ExecutionStarted)
        ),
        None,
    )
    return Step(actor.id, actor.execution_id, taken, list(effects.sent), effects.now, continued)


@define
class Life:
    """One execution of one instance."""

    instance_id: str
    turns: list[Recorded] = Factory(list[Recorded])
    whole: bool = True
    """Whether all its turns are here."""

    @property
    def events(self) -> Iterator[tuple[int, AnyEvent]]:
        """Its events, each with its moment, in order."""
        return ((r.moment, event) for r in self.turns for event in r.turn.events)

    @property
    def started(self) -> ExecutionStarted | None:
        """How it began."""
        found = (event for _, event in self.events if isinstance(event, ExecutionStarted))
        return next(found, None)

    @property
    def execution_id(self) -> str:
        """Its id: the newest, as a rewind gives another."""
        began = [
            event.execution_id
            for _, event in self.events
            if isinstance(event, (ExecutionStarted, ExecutionRewound))
        ]
        return began[-1] if began else ""


@define
class Attempt:
    """One attempt of an activity, as it was seen from outside."""

    instance_id: str
    execution_id: str
    task_id: int
    attempt: int
    name: str
    machine: int
    """The number of the process that ran it."""
    began: int
    by_owner: bool = True
    """Whether that process was the owner of the store when it began."""
    ended: int | None = None
    result: str | None = None
    """What it returned, as JSON."""
    failure: str | None = None
    """The type of what it raised."""


@define
class Ledger:
    """Executions by instance, oldest first."""

    lives: dict[str, list[Life]] = Factory(dict[str, list[Life]])
    executions: set[tuple[str, str]] = Factory(set[tuple[str, str]])
    """Instances, each with an execution that the store has shown for it at some time."""
    complete: bool = True
    """Whether every execution is here, and not only the newest of each instance."""
    steps: list[Step] | None = None
    """The turns of all actors in the order in which they were taken, if anybody watched."""
    attempts: list[Attempt] | None = None
    """What activities really did, if anybody watched."""
    scheduled: dict[tuple[str, int, int], int] = Factory(dict[tuple[str, int, int], int])
    """Attempts that activities may make (instance's execution, call, attempt): since when."""

    def keep(self, commit: Commit, moment: int) -> None:
        """This has become durable now."""
        for instance_id in commit.resets:
            self.lives.setdefault(instance_id, []).append(Life(instance_id))
        for row in commit.turns:
            self._keep_turn(row, moment)
        for instance in commit.instances.values():
            if instance is not None:
                self.executions.add((instance.id, instance.execution_id))

    def _keep_turn(self, row: TurnRow, moment: int) -> None:
        lives = self.lives.setdefault(row.instance_id, [])
        if not lives or (row.sequence == 0 and lives[-1].turns):
            lives.append(Life(row.instance_id))
        recorded = Recorded(moment, read_turn(row))
        lives[-1].turns.append(recorded)
        allowed = [event for event in recorded.turn.events if isinstance(event, TaskScheduled)]
        if any(isinstance(event, ExecutionRewound) for event in recorded.turn.events):
            # What it goes on with is done for the new execution.
            allowed = [event for _, event in lives[-1].events if isinstance(event, TaskScheduled)]
        for event in allowed:
            key = lives[-1].execution_id, event.id, event.attempt
            self.scheduled.setdefault(key, moment)

    @classmethod
    def of(cls, wholes: Sequence[Whole]) -> "Ledger":
        """What a store still has; the moment of a turn is its place in the history."""
        lives = {
            whole.id: [
                Life(whole.id, [Recorded(n, read_turn(row)) for n, row in enumerate(whole.turns)])
            ]
            for whole in wholes
            if whole.turns
        }
        rows = (whole.instance for whole in wholes if whole.instance is not None)
        return cls(lives, {(row.id, row.execution_id) for row in rows}, complete=False)

    def __iter__(self) -> Iterator[Life]:
        return (life for lives in self.lives.values() for life in lives if life.turns)


def unreadable(whole: Whole) -> str | None:
    """Why it is no evidence: which row is damaged, or cannot be read."""
    if whole.damage is not None:
        return whole.damage
    try:
        for row in whole.turns:
            read_turn(row)
        for message in whole.messages:
            read_event(message.body)
    except UnreadableEventError as error:
        return str(error)
    return None


def read_turn(row: TurnRow) -> Turn:
    """A turn as a value."""
    return Turn(row.at, read_events(row.events), read_notes(row.notes))
