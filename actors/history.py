"""What is remembered: the events of the Durable Task protocol.

An event that was asked for by orchestrator code bears the number of the call, counted from 1 in
each execution; a completion refers to that number; every other event has the id -1. Times are
whole microseconds since 1970 UTC. Payloads are JSON texts, or None where there is none.

Four fields go beyond the protocol, and another executor may ignore them: `attempt`, `timeout` and
`due` of scheduled work (a retry repeats the number of its call, so that the numbers of later calls
do not depend on how often something failed), and `detached` of a child that nobody waits for. What
is called `trace` here is the protocol's parentTraceContext; without tracing it is not there.
"""

from attrs import Factory, define

from .failure import FailureDetails
from .status import Status
from .trace import TraceContext

NO_ID = -1

Payload = str | None
"""JSON text."""


@define
class ParentInstance:
    """Who waits for a child: the parent's instance, execution and task."""

    instance_id: str
    execution_id: str
    task_id: int
    name: str = ""
    version: str | None = None
    attempt: int = 1


@define
class Event:
    """The base of all events."""

    at: int
    """When it happened, in microseconds since 1970 UTC."""


@define
class Asked(Event):
    """The base of the events that record a call of orchestrator code."""

    id: int
    """The number of the call in its execution, from 1."""


@define
class EventRaised(Event):
    """An external event came in."""

    name: str
    input: Payload = None


@define
class ExecutionStarted(Event):
    """The first event of every execution."""

    name: str
    execution_id: str
    version: str | None = None
    input: Payload = None
    parent: ParentInstance | None = None
    tags: dict[str, str] = Factory(dict[str, str])
    scheduled_start: int | None = None
    carryover: list[EventRaised] = Factory(list[EventRaised])
    """Events that the execution before continue-as-new had not taken, oldest first."""
    trace: TraceContext | None = None
    """What caused it. When that was nothing traced, a span of its own: its trace begins there."""


@define
class ExecutionCompleted(Event):
    """The last event of an execution that returned, failed or was terminated."""

    status: Status
    result: Payload = None
    failure: FailureDetails | None = None


@define
class ExecutionTerminated(Event):
    """Somebody ended the instance from outside; `reason` becomes its output."""

    reason: Payload = None
    recurse: bool = False


@define
class ExecutionSuspended(Event):
    """From here on events are recorded, but not given to the code."""

    reason: str | None = None


@define
class ExecutionResumed(Event):
    """What was held back since the suspension is given to the code, in order of arrival."""

    reason: str | None = None


@define
class ExecutionRewound(Event):
    """A failed instance goes on: its failed work was taken out of the history."""

    reason: str | None = None
    execution_id: str = ""
    """The execution that begins here."""
    previous_execution_id: str = ""
    """The execution that failed; completions meant for it still count."""
    restart: ExecutionStarted | None = None
    """For a child: how to begin it, if it is not there or cannot be rewound."""


@define
class TaskScheduled(Asked):
    """An activity is to run. One such event per attempt, all with the id of the call."""

    name: str
    version: str | None = None
    input: Payload = None
    tags: dict[str, str] = Factory(dict[str, str])
    attempt: int = 1
    timeout: float | None = None
    """Seconds that one attempt may take."""
    due: int | None = None
    """When this attempt may begin, if not at once."""
    trace: TraceContext | None = None
    """The span of the attempt, on the orchestration's side."""


@define
class TaskCompleted(Event):
    """An activity returned."""

    task_id: int
    result: Payload = None
    attempt: int = 1


@define
class TaskFailed(Event):
    """An attempt of an activity raised."""

    task_id: int
    failure: FailureDetails
    attempt: int = 1


@define
class SubOrchestrationInstanceCreated(Asked):
    """A child is to start. One such event per attempt, all with the id of the call."""

    instance_id: str
    name: str
    version: str | None = None
    input: Payload = None
    tags: dict[str, str] = Factory(dict[str, str])
    attempt: int = 1
    due: int | None = None
    detached: bool = False
    trace: TraceContext | None = None
    """The span of the attempt, on the parent's side."""


@define
class SubOrchestrationInstanceCompleted(Event):
    """A child returned."""

    task_id: int
    result: Payload = None
    attempt: int = 1


@define
class SubOrchestrationInstanceFailed(Event):
    """A child failed, was terminated, or could not start."""

    task_id: int
    failure: FailureDetails
    attempt: int = 1


@define
class TimerCreated(Asked):
    """A timer is set."""

    fire_at: int


@define
class TimerFired(Event):
    """A timer is due."""

    timer_id: int
    fire_at: int


@define
class EventSent(Asked):
    """An external event goes to another orchestration."""

    instance_id: str
    name: str
    input: Payload = None


@define
class EntityOperationSignaled(Asked):
    """An operation is sent to an entity, and nobody waits for its result."""

    request_id: str
    operation: str
    target: str
    input: Payload = None
    scheduled: int | None = None
    """When it is to be delivered, if not at once."""
    trace: TraceContext | None = None


@define
class EntityOperationCalled(Asked):
    """An operation is sent to an entity, and the caller waits for its result."""

    request_id: str
    operation: str
    target: str
    input: Payload = None
    parent_instance_id: str = ""
    """The calling orchestration; empty when a client calls."""
    parent_execution_id: str = ""
    trace: TraceContext | None = None
    """The span of the call, on the caller's side."""


@define
class EntityOperationCompleted(Event):
    """A called operation returned."""

    request_id: str
    output: Payload = None


@define
class EntityOperationFailed(Event):
    """A called operation raised."""

    request_id: str
    failure: FailureDetails


@define
class EntityLockRequested(Asked):
    """A lock over a set of entities is asked for; it travels from one to the next, in order."""

    critical_section_id: str
    lock_set: list[str]
    position: int = 0
    parent_instance_id: str = ""
    parent_execution_id: str = ""


@define
class EntityLockGranted(Event):
    """All entities of the set are locked."""

    critical_section_id: str


@define
class EntityUnlockSent(Asked):
    """A lock is given back, or its request withdrawn while it was still travelling."""

    critical_section_id: str
    target: str
    parent_instance_id: str = ""
    lock_set: list[str] = Factory(list[str])
    """For a withdrawal: the entities that the request visits, for it to follow."""
    position: int = 0


ToEntity = EntityOperationSignaled | EntityOperationCalled | EntityLockRequested | EntityUnlockSent

AnyAsked = TaskScheduled | SubOrchestrationInstanceCreated | TimerCreated | EventSent | ToEntity

AnyEvent = (
    ExecutionStarted
    | ExecutionCompleted
    | ExecutionTerminated
    | ExecutionSuspended
    | ExecutionResumed
    | ExecutionRewound
    | TaskScheduled
    | TaskCompleted
    | TaskFailed
    | SubOrchestrationInstanceCreated
    | SubOrchestrationInstanceCompleted
    | SubOrchestrationInstanceFailed
    | TimerCreated
    | TimerFired
    | EventSent
    | EventRaised
    | EntityOperationSignaled
    | EntityOperationCalled
    | EntityOperationCompleted
    | EntityOperationFailed
    | EntityLockRequested
    | EntityLockGranted
    | EntityUnlockSent
)

FROM_OUTSIDE = frozenset(
    {EventRaised, ExecutionSuspended, ExecutionResumed, ExecutionTerminated, ExecutionRewound}
)
"""Events that no call of the code is waiting for."""

FROM_ENTITIES = frozenset({EntityOperationCompleted, EntityOperationFailed})
"""What operations of entities answer."""


@define
class TurnNotes:
    """What a turn leaves behind beside its events, so that others can tell what is still open."""

    cancelled: list[int] = Factory(list[int])
    """Ids of calls whose outcome nobody wants any more."""
    awaited: list[str] | None = None
    """Names of the external events waited for after the turn; None when they are as before."""


@define
class Turn:
    """One activation of an orchestration, as the log keeps it.

    The protocol's OrchestratorStarted and OrchestratorCompleted frame each turn; they bear
    nothing but its time, so the frame stands for them.
    """

    at: int
    """What the orchestration took for the current time."""
    events: list[AnyEvent]
    notes: TurnNotes | None = None
