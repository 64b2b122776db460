"""One execution of orchestrator code: history in, actions out.

1.  Events are applied one by one; after each, the code runs until all its fibers wait.
2.  What the code asks for is an event too. During replay it is held against the recorded event of
    the same id: same kind, same name, same target, or `NonDeterminismError`. What is asked for
    and not recorded is new work.
3.  A completion is applied only while the call that it belongs to is open.
4.  From a suspension to the resumption events are kept, not applied.
5.  All events are applied before the code's outcome counts, so that code which now returns too
    early is found out.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from attrs import Factory, define

from .anyio_backend import entered
from .app import App
from .calls import EntityCall, OpenCall, Section, TimerCall, WorkCall, unlocks
from .chances import Chances
from .comparison import Rehearsal, described, essence, source_line, waiting_line
from .definitions import OrchestrationDefinition
from .emptiness import NOTHING, added
from .errors import NonDeterminismError, NotDurableError, PayloadTooLargeError
from .failure import details_of
from .history import (
    AnyAsked,
    AnyEvent,
    Asked,
    EntityLockGranted,
    EntityOperationCompleted,
    EntityOperationFailed,
    EventRaised,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ParentInstance,
    Payload,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
    Turn,
)
from .kernel import Fiber, Kernel
from .moments import FIRST, LAST
from .outcomes import Continuation, Continued, Outcome, Raised, Returned, standing
from .raised import RaisedEvents
from .styles import drive, is_coroutine, is_generator
from .tasks import Task

ACTIONS_MAX = 100_000
"""How many calls one turn may make: Durable Functions' `maxOrchestrationActions`."""
TURN_BYTES_MAX = 64 * 1024 * 1024
"""How large the payloads of one turn may grow; a turn is one row of the store."""
CUSTOM_STATUS_BYTES_MAX = 16_384


@define
class Identity:
    """Who an execution is."""

    instance_id: str
    execution_id: str
    name: str
    version: str | None = None
    parent: ParentInstance | None = None
    tags: Mapping[str, str] = Factory(dict[str, str])


class Execution:
    """Runs one execution of an orchestration; the hot path goes through `apply`."""

    def __init__(
        self,
        app: App,
        definition: OrchestrationDefinition,
        identity: Identity,
        make_context: Callable[["Execution"], Any],
    ) -> None:
        self.app = app
        self.codec = app.codec
        self.definition = definition
        self.identity = identity
        self.kernel = Kernel(self)
        self._stepping = entered(self.kernel)
        self.context = make_context(self)
        self.now = 0
        self.rehearsal: Rehearsal | None = None
        """What a replay has seen so far, while there is one."""
        self.outcome: Outcome | None = None
        self.continuation: Continuation | None = None
        self.custom_status: Payload = None
        self.input: Payload = None
        self.open: dict[int, OpenCall] = {}
        self.activities_open = 0
        """Of how many activities the outcome is awaited."""
        self.section: Section | None = None
        self.asked: dict[tuple[int, int], AnyAsked] = {}
        """What the code asked for and no recorded event has confirmed, in order."""
        self._asked_bytes = 0
        self.called_off: list[int] = NOTHING
        self.timers_off: list[int] = NOTHING
        self._events: RaisedEvents | None = None
        self.suspended = False
        self.origin = identity.execution_id
        """The execution that a rewind goes back to: ids and chances stay those of its calls."""
        self._relocking = False
        self._last_id = 0
        self._held: list[AnyEvent] = NOTHING
        self._chances: Chances | None = None
        self._known_max, self._new_to_it = 0, frozenset[int]()
        """The last call before the last rewind, and those that its replay was the first to make."""

    # What is applied

    def replay(self, turns: list[Turn]) -> None:
        """Apply what is recorded; raises `NonDeterminismError` when the code does not follow it."""
        rehearsal = self.rehearsal = Rehearsal()
        for turn in turns:
            self.now = turn.at
            self._asked_bytes = 0
            rehearsal.recorded = {
                (event.id, event.attempt): event
                for event in turn.events
                if isinstance(event, (TaskScheduled, SubOrchestrationInstanceCreated))
            }
            for event in turn.events:
                self.apply(event)
            self._forget_called_off(turn)
        self.rehearsal = None

    @property
    def replaying(self) -> bool:
        """Whether what happens has happened before."""
        return self.rehearsal is not None

    def _forget_called_off(self, turn: Turn) -> None:
        """Keep only what is called off now and was not when the turn was recorded."""
        if self.called_off and turn.notes is not None:
            known = set(turn.notes.cancelled)
            self.called_off = [call_id for call_id in self.called_off if call_id not in known]
            self.timers_off = [call_id for call_id in self.timers_off if call_id not in known]

    def apply(self, event: AnyEvent) -> None:
        """Apply one event and run the code as far as it goes."""
        handle = self._HANDLERS.get(type(event))
        if handle is None or self.suspended or self._relocking:
            self._apply_other(event)
        else:
            with self._stepping:
                handle(self, event)
                self.kernel.run()

    def _apply_other(self, event: AnyEvent) -> None:
        if isinstance(event, Asked):
            self._confirm(event)
        elif isinstance(event, ExecutionSuspended):
            self.suspended = True
        elif isinstance(event, ExecutionResumed):
            self.suspended = False
            self._release()
        elif self.suspended or (self._relocking and not isinstance(event, EntityLockGranted)):
            self._held = added(self._held, event)
        elif self._relocking:
            self._lock_granted_again()
        elif isinstance(event, ExecutionRewound):
            self._rewound()

    def _release(self) -> None:
        held, self._held = self._held, NOTHING
        for event in held:
            self.apply(event)

    def _rewound(self) -> None:
        """Begin retries anew, and let nothing reach a critical section before it has its locks."""
        self._known_max, self._new_to_it = self._last_id, frozenset(id_ for id_, _ in self.asked)
        for call in self.open.values():
            if isinstance(call, WorkCall):
                call.first_at = self.now
        if self.section is not None and self.section.granted:
            self.section.granted, self._relocking = False, True

    def _lock_granted_again(self) -> None:
        self._relocking = False
        if self.section is not None:
            self.section.granted = True
        self._release()

    @property
    def held(self) -> list[AnyEvent]:
        """What is recorded, and given to the code later."""
        return self._held

    def knew(self, event: AnyEvent) -> bool:
        """Whether what was told to an execution before a rewind is about no call made since."""
        call_id: int = getattr(event, "task_id", 0)
        if call_id > self._known_max or call_id in self._new_to_it:
            return False
        # Its locks were given back, and are asked for again.
        return not isinstance(event, EntityLockGranted)

    def expects(self, event: AnyEvent) -> bool:
        """Whether this event can still make a difference: stale and repeated ones cannot."""
        match event:
            case TaskCompleted() | TaskFailed():
                return self._expects_work(event.task_id, event.attempt, TaskScheduled)
            case SubOrchestrationInstanceCompleted() | SubOrchestrationInstanceFailed():
                # A run of a child answers once: any attempt will do, as a rewind counts them anew.
                return self._expects_work(event.task_id, None, SubOrchestrationInstanceCreated)
            case TimerFired():
                return isinstance(self.open.get(event.timer_id), TimerCall)
            case EntityOperationCompleted() | EntityOperationFailed():
                return self._operation(event.request_id) is not None
            case EntityLockGranted():
                section = self.section
                return (
                    section is not None
                    and not section.granted
                    and section.event.critical_section_id == event.critical_section_id
                )
            case _:
                return True

    def _expects_work(self, task_id: int, attempt: int | None, kind: type) -> bool:
        call = self.open.get(task_id)
        return (
            isinstance(call, WorkCall)
            and isinstance(call.event, kind)
            and (attempt is None or attempt == call.event.attempt)
        )

    def close(self) -> None:
        """Drop the code."""
        if not self.kernel.closed:
            with self._stepping:
                self.kernel.close()
            del self.context

    # What the code asks for

    def next_id(self) -> int:
        """The number of the next call; raises when the turn asks for too much."""
        if self.kernel.current is None:
            self.kernel.running()
        if len(self.asked) >= ACTIONS_MAX:
            raise NotDurableError(f"asking for {ACTIONS_MAX:,} things in one turn", "await some")
        if self._asked_bytes > TURN_BYTES_MAX:
            what = "what one turn asks for"
            raise PayloadTooLargeError(what, self._asked_bytes, TURN_BYTES_MAX)
        self._last_id += 1
        return self._last_id

    def ask(self, event: AnyAsked) -> None:
        """Record a call of the code."""
        if self.kernel.closed:
            return
        self.asked[event.id, getattr(event, "attempt", 1)] = event
        self._asked_bytes += len(getattr(event, "input", None) or "")
        if self.rehearsal is not None:
            place = source_line()
            if place is not None:
                self.rehearsal.sources[event.id] = place

    def take_asked(self) -> list[AnyAsked]:
        """What is new since the last turn, to be recorded and done."""
        self._asked_bytes = 0
        if not self.asked:
            return []
        asked = list(self.asked.values())
        self.asked.clear()
        return asked

    def call_off(self, call_id: int) -> None:
        """Nobody wants the outcome of this call any more."""
        if self.kernel.closed:
            return
        if isinstance(self._ended_call(call_id), TimerCall):
            self.timers_off = added(self.timers_off, call_id)
        self.called_off = added(self.called_off, call_id)

    @property
    def events(self) -> RaisedEvents:
        """The external events; most executions see none."""
        if self._events is None:
            self._events = RaisedEvents()
        return self._events

    def use_events(self, events: RaisedEvents) -> None:
        """Keep the external events in these books, before the first one comes."""
        self._events = events

    @property
    def awaited(self) -> list[str]:
        """The names of external events that are waited for."""
        return self._events.awaited if self._events is not None else NOTHING

    def _ended_call(self, call_id: int) -> OpenCall | None:
        """Take a call out of those that are open, if it is one of them."""
        call = self.open.pop(call_id, None)
        if isinstance(call, WorkCall) and isinstance(call.event, TaskScheduled):
            self.activities_open -= 1
        return call

    def open_work(
        self, event: TaskScheduled | SubOrchestrationInstanceCreated, policy: Any, read: Any
    ) -> Task[Any]:
        """Ask for an activity or a child."""
        task: Task[Any] = Task(self.kernel, event.name, read=read)
        call = self.open[event.id] = WorkCall(event, policy, self.now, task, self)
        task.on_cancel(call.call_off)
        if isinstance(event, TaskScheduled):
            self.activities_open += 1
        self.ask(event)
        return task

    def open_timer(self, fire_at: int, ring: Callable[[], None]) -> TimerCall:
        """Ask for a timer; one beyond the calendar fires on its last day."""
        event = TimerCreated(self.now, self.next_id(), min(max(fire_at, FIRST), LAST))
        call = TimerCall(event, ring, self)
        self.open[event.id] = call
        self.ask(event)
        return call

    def open_entity_call(self, call: EntityCall) -> None:
        """Ask for an operation with a result."""
        self.open[call.event.id] = call
        self.ask(call.event)

    def open_section(self, section: Section) -> None:
        """Ask for a lock."""
        self.section = section
        self.open[section.event.id] = section
        self.ask(section.event)

    def close_section(self) -> None:
        """Give the lock back, or withdraw the request for it; nothing without one."""
        section, self.section = self.section, None
        if section is None or self.kernel.closed:
            return
        self.open.pop(section.event.id, None)
        for event in unlocks(section.event, self._fresh_id, self.now, granted=section.granted):
            self.ask(event)

    def _fresh_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def set_custom_status(self, status: Payload) -> None:
        """Replace the custom status."""
        size = len((status or "").encode("utf-16-le"))
        if size > CUSTOM_STATUS_BYTES_MAX:
            raise PayloadTooLargeError("the custom status", size, CUSTOM_STATUS_BYTES_MAX)
        self.custom_status = status

    @property
    def chances(self) -> Chances:
        """The random numbers and ids; most executions take none."""
        if self._chances is None:
            self._chances = Chances(self.identity.instance_id, self.origin)
        return self._chances

    # The kernel's host

    def seconds(self) -> float:
        """The current time, in seconds since 1970."""
        return self.now / 1_000_000

    def set_alarm(self, deadline: float, ring: Callable[[], None]) -> TimerCall:
        """Ask for a timer on behalf of the kernel."""
        fire_at = LAST if deadline * 1_000_000 > LAST else round(deadline * 1_000_000)
        if fire_at / 1_000_000 < deadline:
            fire_at += 1  # What it wakes compares the deadline with `seconds`.
        return self.open_timer(fire_at, ring)

    # The events

    def _started(self, event: ExecutionStarted) -> None:
        self.input, self.origin = event.input, event.execution_id
        for raised in event.carryover:
            self.events.arrive(raised)
        self.kernel.spawn(self._main(), self.identity.name, self._ended)

    async def _main(self) -> Any:
        definition = self.definition
        arguments = definition.signature.read(
            self.codec, self.input, f"input of {self.identity.name}"
        )
        value = definition.function(self.context, *arguments)
        if is_coroutine(value):
            return await value
        if is_generator(value):
            return await drive(value)
        return value

    def _ended(self, _: Fiber, value: Any, error: BaseException | None) -> None:
        if error is None:
            try:
                self._returned(value)
            except Exception as unwritable:  # noqa: BLE001 - whatever a user's converter raises
                error = unwritable
        if error is not None:
            self.outcome = Raised(details_of(error))
        self.close_section()

    def _returned(self, value: Any) -> None:
        asked = self.continuation
        if asked is None:
            self.outcome = Returned(self.codec.write(value, f"result of {self.identity.name}"))
        else:
            kept = self.events.unclaimed() if asked.preserve_events else []
            self.outcome = Continued(asked.input, asked.version, kept)

    def _work_completed(self, event: TaskCompleted | SubOrchestrationInstanceCompleted) -> None:
        call = self._ended_call(event.task_id)
        if isinstance(call, WorkCall):
            call.task.resolve(event.result)

    def _work_failed(self, event: TaskFailed | SubOrchestrationInstanceFailed) -> None:
        call = self.open.get(event.task_id)
        if isinstance(call, WorkCall) and not call.failed(event.failure):
            self._ended_call(event.task_id)

    def _timer_fired(self, event: TimerFired) -> None:
        call = self.open.pop(event.timer_id, None)
        if isinstance(call, TimerCall):
            call.ring()

    def _event_raised(self, event: EventRaised) -> None:
        self.events.arrive(event)

    def _operation_completed(self, event: EntityOperationCompleted) -> None:
        if call := self._operation(event.request_id):
            del self.open[call.event.id]
            call.task.resolve(event.output)

    def _operation_failed(self, event: EntityOperationFailed) -> None:
        if call := self._operation(event.request_id):
            del self.open[call.event.id]
            call.failed(event.failure)

    def _operation(self, request_id: str) -> EntityCall | None:
        """The open call that made this request, which ends with the call's number."""
        number = request_id.rpartition(":")[2]
        call = self.open.get(int(number)) if number.isdecimal() else None
        if isinstance(call, EntityCall) and call.event.request_id == request_id:
            return call
        return None

    def _lock_granted(self, event: EntityLockGranted) -> None:
        section = self.section
        if section is not None:
            section.granted = True
            self.open.pop(section.event.id, None)
            section.task.resolve(None)

    _HANDLERS: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        ExecutionStarted: _started,
        TaskCompleted: _work_completed,
        TaskFailed: _work_failed,
        SubOrchestrationInstanceCompleted: _work_completed,
        SubOrchestrationInstanceFailed: _work_failed,
        TimerFired: _timer_fired,
        EventRaised: _event_raised,
        EntityOperationCompleted: _operation_completed,
        EntityOperationFailed: _operation_failed,
        EntityLockGranted: _lock_granted,
    }

    # Recorded against actual

    def _confirm(self, recorded: Asked) -> None:
        rehearsal = self.rehearsal
        assert rehearsal is not None  # noqa: S101 - new events are none that the code asks for
        actual = self.asked.pop((recorded.id, getattr(recorded, "attempt", 1)), None)
        rehearsal.compared.append((recorded, actual))
        if actual is None or essence(recorded) != essence(actual):
            missing = f"nothing for task {recorded.id}: it {standing(self.outcome)}"
            # The line to blame is that of the call, or the one at which the code waits instead.
            source = rehearsal.sources.get(recorded.id)
            raise NonDeterminismError(
                self.identity.instance_id,
                described(recorded),
                missing if actual is None else described(actual),
                waiting_line(self.kernel.fibers) if actual is None else source,
                [*rehearsal.listing(), *(("nothing", described(e)) for e in self.asked.values())],
            )
        self.adopt(recorded, actual)

    def adopt(self, recorded: Asked, actual: AnyAsked) -> None:
        """Go on with what was asked for then: that is what is repeated, and what is answered."""
        call = self.open.get(recorded.id)
        if isinstance(call, (WorkCall, TimerCall, EntityCall)) and call.event is actual:
            call.event = cast("Any", recorded)
