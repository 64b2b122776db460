"""The orchestration actor: messages in, one turn out.

1.  A message that cannot matter any more (stale execution, unknown or finished call, finished
    instance) is taken and dropped; it leaves no event. What entities answer after a failure does.
2.  Before its start an instance takes nothing but suspension, resumption and termination; the rest
    waits.
3.  Code is brought back by replay when the first message comes. What stands in the way (a missing
    definition, code that differs from the history, an unreadable input) parks the actor: nothing
    is taken, nothing is recorded.
4.  When an execution ends, in whatever way, its locks are given back, its timers cut, and its
    parent is told.
"""

from collections.abc import Callable, Iterable

from attrs import Factory, define, evolve

from .app import App
from .calls import unlocks
from .context import OrchestrationContext
from .definitions import OrchestrationDefinition
from .effects import Effects, Parked, parked_by
from .emptiness import NOTHING, added, new_dict, new_list
from .errors import DefinitionNotFoundError, NonDeterminismError
from .failure import FailureDetails
from .history import (
    FROM_ENTITIES,
    FROM_OUTSIDE,
    NO_ID,
    AnyAsked,
    AnyEvent,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    ParentInstance,
    Payload,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
    Turn,
    TurnNotes,
)
from .messages import Message, payload_size
from .openwork import OpenWork, last_awaited, open_work
from .outcomes import Continued, Raised, RefusedError, Returned
from .outgoing import ask_again, start_of, to_entity, told_to_parent
from .replay import TURN_BYTES_MAX, Execution, Identity
from .rewind import failed_operations, rewound
from .status import Status
from .trail import Trail, followed

Ids = Callable[[], str]


@define(eq=False)
class Orchestration:
    """One orchestration in memory. `step` takes from `inbox`."""

    id: str
    app: App
    new_id: Ids
    execution_id: str
    name: str
    version: str | None
    status: Status
    created: int
    parent: ParentInstance | None = None
    tags: dict[str, str] = Factory(new_dict)
    input: Payload = None
    output: Payload = None
    failure: FailureDetails | None = None
    custom_status: Payload = None
    scheduled_start: int | None = None
    completed: int | None = None
    turns_recorded: int = 0
    inbox: list[Message] = Factory(new_list)
    """Short nearly always, and an empty deque takes ten times the memory."""
    history: list[Turn] | None = None
    """Turns that were read back and not replayed yet; None once the code is in memory."""
    begun: bool = False
    """Whether the start of this execution is in the log."""
    open_activities: bool = False
    lineage: frozenset[str] = frozenset()
    """Executions before this one whose completions are still good: those it was rewound from."""
    unreadable: Parked | None = None
    """Why its log cannot be read; then nothing but termination is possible."""
    execution: Execution | None = None
    trail: Trail | None = None
    """Its place in a trace, once it has begun and if it is traced."""
    waiting: list[Message] = NOTHING
    """Messages that came before its start."""
    _awaited: list[str] = NOTHING

    @property
    def idle(self) -> bool:
        """Whether it holds no message."""
        return not self.inbox and not self.waiting

    def close(self) -> None:
        """Let go of the code."""
        if self.execution is not None:
            self.execution.close()
            self.execution = None

    # One turn

    def step(self, now: int) -> Effects:
        """Take what waits in the inbox, up to the end of the execution."""
        effects = Effects(now)
        if self.unreadable is not None and self._needs_log:
            effects.parked = self.unreadable
            return effects
        try:
            self._step(effects)
        except (DefinitionNotFoundError, NonDeterminismError) as error:
            return self._park(effects, parked_by(error))
        except RefusedError as refused:
            return self._fail(effects, refused.failure)
        return effects

    @property
    def _needs_log(self) -> bool:
        event = self.inbox[0].event if self.inbox else None
        if self.status.is_terminal:
            return isinstance(event, ExecutionRewound)
        return not isinstance(event, ExecutionTerminated)

    def _park(self, effects: Effects, parked: Parked) -> Effects:
        """Put back everything; what led here is tried again after a mend."""
        self.close()
        self.inbox[:0] = effects.taken
        return Effects(effects.now, parked=parked)

    def _step(self, effects: Effects) -> None:
        events: list[AnyEvent] = []
        size = 0
        while self.inbox and size <= TURN_BYTES_MAX:
            message = self.inbox.pop(0)
            effects.taken.append(message)
            event = message.event
            if self.inbox:
                size += payload_size(event)
            if isinstance(event, ExecutionStarted):
                ended = self._start(event, events, effects)
            elif not self._accepts(message):
                continue
            elif isinstance(event, ExecutionTerminated):
                ended = self._terminate(event, events, effects)
            elif self.status.is_terminal:
                ended = self._go_back(event, effects)
            elif not self.begun and isinstance(event, EventRaised):
                self.waiting = added(self.waiting, effects.taken.pop())
                continue
            else:
                ended = self._apply(event, events, effects)
            if ended:
                return
        if events:
            self._record(events, effects)

    def _accepts(self, message: Message) -> bool:
        event, execution_id = message.event, message.execution_id
        if isinstance(event, ExecutionRewound):
            return self.status.is_terminal
        is_current = execution_id is None or execution_id == self.execution_id
        if not is_current and execution_id not in self.lineage:
            return False
        if self.status.is_terminal:
            failed = self.status is Status.FAILED and self.unreadable is None
            return failed and type(event) in FROM_ENTITIES
        if type(event) in FROM_OUTSIDE:
            return True
        if not self.begun:
            return False
        execution = self.execution or self._awake(event.at)
        return (is_current or execution.knew(event)) and execution.expects(event)

    def _start(self, event: ExecutionStarted, events: list[AnyEvent], effects: Effects) -> bool:
        if self.begun or self.status.is_terminal or event.execution_id != self.execution_id:
            return False
        if event.version is None and (self.name, None) not in self.app.orchestrations:
            event.version = self.version = self.app.orchestration_of(self.name).version
        self._definition()  # Without code it stays not begun: the start is tried again.
        self.begun = True
        self.trail = followed(None, self.id, event, effects.now)
        self.parent, self.input, self.tags = event.parent, event.input, event.tags
        self.inbox[:0] = self.waiting
        self.waiting = NOTHING
        if self.status is Status.PENDING:
            self.status = Status.RUNNING
        effects.changed = True
        return self._apply(event, events, effects)

    def _apply(self, event: AnyEvent, events: list[AnyEvent], effects: Effects) -> bool:
        execution = self.execution or self._awake(effects.now)
        events.append(event)
        if self.trail is not None:
            effects.passages += self.trail.answered(event)
        execution.now = max(execution.now, effects.now)
        execution.apply(event)
        if isinstance(event, (ExecutionSuspended, ExecutionResumed)):
            self._note_suspension(event, effects)
        if execution.outcome is None or execution.suspended:
            return False
        self._finish(events, effects)
        return True

    def _note_suspension(
        self, event: ExecutionSuspended | ExecutionResumed, effects: Effects
    ) -> None:
        effects.changed = True
        if isinstance(event, ExecutionSuspended):
            self.status = Status.SUSPENDED
        else:
            self.status = Status.RUNNING if self.begun else Status.PENDING

    def _awake(self, now: int) -> Execution:
        """Bring the code into memory by a replay, if it is not there."""
        if self.execution is None:
            history = self.history or []
            return self._wake(self._replayed(history), history, now)
        return self.execution

    def _replayed(self, history: list[Turn]) -> Execution:
        if history and (failure := self._definition().refusal) is not None:
            raise RefusedError(failure)
        execution = self._new_execution()
        try:
            execution.replay(history)
        except BaseException:
            execution.close()
            raise
        return execution

    def _wake(self, execution: Execution, history: list[Turn], now: int) -> Execution:
        self._awaited = last_awaited(history)
        self.custom_status = execution.custom_status or self.custom_status
        execution.custom_status = self.custom_status
        if self.trail is not None:
            self.trail.recall(OpenWork.of(execution), execution.held)
        self.execution, self.history = execution, None
        execution.now = max(execution.now, now)
        return execution

    def _definition(self) -> OrchestrationDefinition:
        return self.app.recorded_orchestration(self.name, self.version)

    def _new_execution(self) -> Execution:
        identity = Identity(
            self.id, self.execution_id, self.name, self.version, self.parent, self.tags
        )
        return Execution(self.app, self._definition(), identity, OrchestrationContext)

    def probe(self, now: int) -> Parked | None:
        """Whether the code at hand can go on; used after a deployment."""
        if self.unreadable is not None:
            return self.unreadable
        if self.status.is_terminal or not self.begun:
            return None
        try:
            self._awake(now)
        except (DefinitionNotFoundError, NonDeterminismError) as error:
            return parked_by(error)
        except RefusedError:
            pass  # It goes on to fail, when something happens to it.
        return None

    # What a turn leaves

    def _record(self, events: list[AnyEvent], effects: Effects) -> None:
        """Append the events with what the code asked for, and derive what has to be done."""
        execution = self.execution or self._awake(effects.now)
        asked = execution.take_asked()
        called_off = execution.called_off
        if self.trail is not None:
            effects.passages += self.trail.recorded(asked, called_off, effects.now)
        self._do(asked, called_off, effects)
        if called_off:
            execution.called_off = NOTHING
            effects.called_off.extend(called_off)
            effects.timers_cut.extend(execution.timers_off)
            execution.timers_off = NOTHING
        if execution.custom_status != self.custom_status:
            self.custom_status, effects.changed = execution.custom_status, True
        notes, awaited = None, execution.awaited
        if called_off or awaited != self._awaited:
            notes = self._notes(awaited, called_off)
        events += asked
        self._append(Turn(execution.now, events, notes), effects)
        if self.open_activities is not (execution.activities_open > 0):
            self.open_activities, effects.changed = not self.open_activities, True

    def _notes(self, awaited: list[str], called_off: list[int]) -> TurnNotes:
        news = None if awaited == self._awaited else awaited
        self._awaited = awaited
        return TurnNotes(called_off, news)

    def _append(self, turn: Turn, effects: Effects) -> None:
        effects.turns.append(turn)
        self.turns_recorded += 1

    def _do(self, asked: list[AnyAsked], called_off: Iterable[int], effects: Effects) -> None:
        effects.execution_id = self.execution_id
        called_off = set(called_off) if called_off else ()
        for event in asked:
            match event:
                case TaskScheduled():
                    if event.id not in called_off:
                        effects.activities.append(event)
                case TimerCreated():
                    if event.id not in called_off:
                        effects.timers_set.append(event)
                case SubOrchestrationInstanceCreated():
                    effects.sent.append(start_of(self, event))
                case EventSent():
                    raised = EventRaised(event.at, event.name, event.input)
                    effects.sent.append(Message(event.instance_id, raised))
                case _:
                    effects.sent.append(to_entity(event))

    # The end of an execution

    def _finish(self, events: list[AnyEvent], effects: Effects) -> None:
        execution = self._awake(effects.now)
        match execution.outcome:
            case Continued() as outcome:
                self._record(events, effects)
                self._continue(outcome, effects)
            case Returned(result=result):
                done = ExecutionCompleted(effects.now, Status.COMPLETED, result)
                self._end(done, events, effects)
            case Raised(failure=failure):
                done = ExecutionCompleted(effects.now, Status.FAILED, None, failure)
                self._end(done, events, effects)
            case None:
                pass

    def _continue(self, outcome: Continued, effects: Effects) -> None:
        """Begin the next execution: a message to itself, ahead of all others."""
        effects.reset, effects.changed = True, True
        effects.turns.clear()
        effects.timers_set.clear()
        self.close()
        self.execution_id = self.new_id()
        self.version = outcome.version if outcome.version is not None else self.version
        self.input = outcome.input
        self.begun, self.turns_recorded, self.open_activities = False, 0, False
        self.history, self._awaited = None, NOTHING
        self.lineage = frozenset()
        started = ExecutionStarted(
            effects.now,
            self.name,
            self.execution_id,
            self.version,
            outcome.input,
            self.parent,
            self.tags,
            carryover=outcome.carryover,
        )
        if self.trail is not None:
            done = ExecutionCompleted(effects.now, Status.CONTINUED_AS_NEW)
            effects.passages += self.trail.ended(done)
            started.trace, self.trail = self.trail.parent, None
        effects.sent.append(Message(self.id, started))

    def _end(self, done: ExecutionCompleted, events: list[AnyEvent], effects: Effects) -> None:
        self._record(events, effects)
        effects.turns[-1].events.append(done)
        execution = self._awake(effects.now)
        effects.timers_cut.extend(OpenWork.of(execution).timers)
        effects.timers_set.clear()
        self._conclude(done, effects)

    def _conclude(self, done: ExecutionCompleted, effects: Effects) -> None:
        self.status, self.output, self.failure = done.status, done.result, done.failure
        self.completed, self.open_activities = effects.now, False
        effects.changed = True
        if self.trail is not None:
            effects.passages += self.trail.ended(done)
        self.close()
        self._tell_parent(done, effects)

    def _tell_parent(self, done: ExecutionCompleted, effects: Effects) -> None:
        if self.parent is not None:
            effects.sent.append(told_to_parent(self.parent, self.name, self.id, done))

    def _terminate(
        self, event: ExecutionTerminated, events: list[AnyEvent], effects: Effects
    ) -> bool:
        """End it from outside; needs no code, so that it always works."""
        done = ExecutionCompleted(effects.now, Status.TERMINATED, event.reason)
        work = self._cut_short([event, done], events, effects)
        if event.recurse:
            for child in work.children.values():
                effects.sent.append(Message(child.instance_id, evolve(event, at=effects.now)))
        self._conclude(done, effects)
        return True

    def _fail(self, before: Effects, failure: FailureDetails) -> Effects:
        """End it because its code may not go on; one that has ended stays as it is."""
        effects = Effects(before.now)
        effects.taken.extend(before.taken)
        if not self.status.is_terminal:
            done = ExecutionCompleted(effects.now, Status.FAILED, None, failure)
            self._cut_short([done], [], effects)
            self._conclude(done, effects)
        return effects

    def _cut_short(self, end: list[AnyEvent], events: list[AnyEvent], effects: Effects) -> OpenWork:
        """Append the end, and give up what is open, which is returned."""
        work = self._open_work()
        effects.taken.extend(self.waiting)
        self.waiting = NOTHING
        if self.execution is not None and events:
            self._record(events, effects)
            effects.activities.clear()
            effects.timers_set.clear()
            work = self._open_work()
            effects.turns[-1].events.extend(end)
        else:
            if self.trail is not None and self.execution is None:
                self.trail.recall(work)
            self._append(Turn(effects.now, [*events, *end]), effects)
        effects.all_called_off = True
        effects.timers_cut.extend(work.timers)
        if work.section is not None:
            granted = work.section_granted
            for unlock in unlocks(work.section, lambda: NO_ID, effects.now, granted=granted):
                effects.sent.append(to_entity(unlock))
        return work

    def _open_work(self) -> OpenWork:
        if self.execution is not None:
            return OpenWork.of(self.execution)
        return open_work(self.history or [])

    # Going back

    def _go_back(self, event: AnyEvent, effects: Effects) -> bool:
        """Rewind it; or keep what an entity did, as a rewind must not have it done twice."""
        if isinstance(event, ExecutionRewound):
            return self._rewind(event, effects)
        if effects.turns:
            effects.turns[-1].events.append(event)
            return False
        turn = Turn(effects.now, [event])
        if self.history is not None:
            self.history.append(turn)
        self._append(turn, effects)
        effects.changed = effects.afterwards = True
        return False

    def _rewind(self, event: ExecutionRewound, effects: Effects) -> bool:
        """Take the failed work out of the history and do it again."""
        if self.status is not Status.FAILED:
            self._repeat_completion(event, effects)
            return False
        if self.history is None:
            self.inbox.insert(0, effects.taken.pop())
            effects.reload = True
            return True
        before, history = self.execution_id, self.history
        self.lineage |= {before}
        self.execution_id = event.execution_id
        try:
            kept, execution = rewound(history, self._replayed)
        except (NonDeterminismError, DefinitionNotFoundError, RefusedError):
            self.execution_id = before
            self.lineage -= {before}
            raise
        self._wake(execution, kept, effects.now)
        self._revive(effects)
        self.trail = followed(self.trail, self.id, event, effects.now)
        event.previous_execution_id = before
        effects.reset = True
        for turn in kept:
            self._append(turn, effects)
        execution.apply(event)
        self._record([event], effects)
        ask_again(self, OpenWork.of(execution), failed_operations(history), effects)
        if execution.outcome is not None:  # It ended when it was replayed without the failed work.
            self._finish([], effects)
        return execution.outcome is not None

    def _repeat_completion(self, event: ExecutionRewound, effects: Effects) -> None:
        """Tell a rewound parent again what it was told while it had failed."""
        if event.restart is not None and self.status is Status.COMPLETED:
            self.parent = event.restart.parent
            self._tell_parent(ExecutionCompleted(effects.now, self.status, self.output), effects)

    def _revive(self, effects: Effects) -> None:
        self.status, self.output, self.failure, self.completed = Status.RUNNING, None, None, None
        self.turns_recorded = 0
        effects.turns.clear()
        effects.changed = True
