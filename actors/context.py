"""What user code is handed: thin skins over an execution, an operation and an activity."""

import random
import uuid
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
)
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar, TypeVarTuple, overload

from .activity_context import ActivityContext
from .codec import checked_text
from .durable_http import (
    HTTP_TIMEOUT,
    DurableHttpRequest,
    DurableHttpResponse,
    TokenSource,
)
from .durations import Due, fire_at, seconds_of
from .entity_calls import EntityCalls
from .entity_context import EntityContext
from .errors import Cancelled, InstanceIdError, LockingRulesViolationError
from .history import (
    EventSent,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
)
from .http_exchange import Exchange, failing_statuses, written
from .identity import checked_instance_id
from .kernel import Fiber
from .logger import ReplaySafeLogger
from .moments import micros, moment
from .outcomes import Continuation
from .proxies import EntityLock, EntityProxy
from .replay import Execution
from .retry import RetryPolicy
from .targets import (
    ByName,
    PayloadReader,
    activity_call,
    checked_tags,
    orchestration_call,
)
from .tasks import Task, task_all, task_any

__all__ = [
    "ActivityContext",
    "EntityContext",
    "EntityLock",
    "EntityProxy",
    "OrchestrationContext",
]

T = TypeVar("T")
R = TypeVar("R")
E = TypeVar("E")
Ts = TypeVarTuple("Ts")

Retry = RetryPolicy | Literal[False] | None


class OrchestrationContext(EntityCalls):
    """What orchestrator code may use to reach the world, so that a replay repeats it.

    Calls return a `Task`, scheduled at the call. Inputs are positional and options are keywords.
    """

    def __init__(self, execution: Execution) -> None:
        super().__init__(execution)
        self._logger: ReplaySafeLogger | None = None

    def __repr__(self) -> str:
        return f"<OrchestrationContext {self.name} {self.instance_id}>"

    @property
    def instance_id(self) -> str:
        """The instance's id."""
        return self._execution.identity.instance_id

    @property
    def name(self) -> str:
        """The orchestration's name."""
        return self._execution.identity.name

    @property
    def version(self) -> str | None:
        """The version that the instance was started with."""
        return self._execution.identity.version

    @property
    def parent_instance_id(self) -> str | None:
        """The orchestration that waits for this one, if any."""
        parent = self._execution.identity.parent
        return parent.instance_id if parent else None

    @property
    def execution_id(self) -> str:
        """32 hex digits, new after every continue-as-new, restart and rewind."""
        return self._execution.identity.execution_id

    @property
    def tags(self) -> Mapping[str, str]:
        """The instance's tags."""
        return self._execution.identity.tags

    @property
    def current_utc_datetime(self) -> datetime:
        """The time of the current turn: aware, constant within it, the same in every replay."""
        return moment(self._execution.now)

    @property
    def is_replaying(self) -> bool:
        """Whether old events are being applied."""
        return self._execution.replaying

    @property
    def random(self) -> random.Random:
        """Pseudo-random numbers, the same in every replay."""
        return self._execution.chances.random

    @property
    def logger(self) -> ReplaySafeLogger:
        """Writes to the standard library's logging, and not during replay."""
        if self._logger is None:
            self._logger = ReplaySafeLogger(self._execution)
        return self._logger

    def new_guid(self) -> uuid.UUID:
        """A new UUID, the same in every replay."""
        return self._execution.chances.guid(self._execution.now)

    def get_input(self, type_: Any = Any) -> Any:
        """The instance's input, for generator-style orchestrators that take only the context."""
        execution = self._execution
        return execution.codec.read(execution.input, type_, f"input of {self.name}")

    @overload
    def call_activity(
        self,
        activity: Callable[[ActivityContext, *Ts], Awaitable[R]],
        *args: *Ts,
        retry: Retry = None,
        timeout: timedelta | float | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[R]: ...
    @overload
    def call_activity(
        self,
        activity: Callable[[*Ts], Awaitable[R]],
        *args: *Ts,
        retry: Retry = None,
        timeout: timedelta | float | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[R]: ...
    @overload
    def call_activity(
        self,
        activity: Callable[[ActivityContext, *Ts], R],
        *args: *Ts,
        retry: Retry = None,
        timeout: timedelta | float | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[R]: ...
    @overload
    def call_activity(
        self,
        activity: Callable[[*Ts], R],
        *args: *Ts,
        retry: Retry = None,
        timeout: timedelta | float | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[R]: ...
    @overload
    def call_activity(
        self,
        activity: str,
        *args: object,
        returns: type[R],
        retry: Retry = None,
        timeout: timedelta | float | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[R]: ...
    @overload
    def call_activity(
        self,
        activity: str,
        *args: object,
        retry: Retry = None,
        timeout: timedelta | float | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[Any]: ...
    def call_activity(  # type: ignore[misc]  # mypy does not match *Ts with *Any
        self,
        activity: Any,
        *args: Any,
        returns: Any = None,
        retry: Retry = None,
        timeout: timedelta | float | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[Any]:
        """Run an activity, at least once; awaiting raises `TaskFailedError` when it failed.

        `retry` replaces the policy of the definition (False: no retry); `timeout`, in seconds or
        as a timedelta, bounds each attempt; `version` defaults to the orchestration's.
        """
        execution = self._execution
        call = activity_call(execution.app, activity, args, returns)
        limit = seconds_of(timeout) if timeout is not None else call.timeout
        policy = call.retry if retry is None else _policy(retry, call.retry)
        event = TaskScheduled(
            execution.now,
            execution.next_id(),
            call.name,
            version if version is not None else execution.identity.version,
            call.input,
            dict(tags) if tags else {},
            timeout=limit,
        )
        return execution.open_work(event, policy, call.read)

    @overload
    def call_sub_orchestrator(
        self,
        orchestration: "Callable[[OrchestrationContext, *Ts], Awaitable[R]]",
        *args: *Ts,
        instance_id: str | None = None,
        retry: Retry = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[R]: ...
    @overload
    def call_sub_orchestrator(
        self,
        orchestration: "Callable[[OrchestrationContext, *Ts], Generator[Any, Any, R]]",
        *args: *Ts,
        instance_id: str | None = None,
        retry: Retry = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[R]: ...
    @overload
    def call_sub_orchestrator(
        self,
        orchestration: str,
        *args: object,
        returns: type[R],
        instance_id: str | None = None,
        retry: Retry = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[R]: ...
    @overload
    def call_sub_orchestrator(
        self,
        orchestration: str,
        *args: object,
        instance_id: str | None = None,
        retry: Retry = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[Any]: ...
    def call_sub_orchestrator(  # type: ignore[misc]  # mypy does not match *Ts with *Any
        self,
        orchestration: Any,
        *args: Any,
        returns: Any = None,
        instance_id: str | None = None,
        retry: Retry = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Task[Any]:
        """Run another orchestration and wait for its result; its failure is `TaskFailedError`.

        The child's id is `instance_id`, or derived from this execution and the number of the
        call. An id that a running instance has fails the call. The child inherits this instance's
        tags; `tags` override them. Not allowed while entity locks are held.
        """
        if self._execution.section is not None:
            raise LockingRulesViolationError(
                "cannot call sub-orchestrations while holding entity locks"
            )
        policy = _policy(retry, None)
        event, call = self._child(orchestration, args, returns, instance_id, version, tags)
        return self._execution.open_work(event, policy, call.read)

    def start_new(
        self,
        orchestration: "Callable[[OrchestrationContext, *Ts], object] | str",
        *args: *Ts,
        instance_id: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        start_at: datetime | None = None,
    ) -> str:
        """Start an orchestration without waiting for it; returns its instance id.

        Does nothing when an instance with that id is running. Allowed while locks are held.
        """
        event, _ = self._child(orchestration, args, None, instance_id, version, tags)
        if instance_id is None:
            # The code knows this id, and finds the same in every replay.
            event.instance_id = f"{self._execution.origin}:{event.id}"
        event.detached = True
        event.due = micros(start_at) if start_at is not None else None
        self._execution.ask(event)
        return event.instance_id

    def _child(
        self,
        orchestration: Any,
        args: tuple[Any, ...],
        returns: Any,
        instance_id: str | None,
        version: str | None,
        tags: Mapping[str, str] | None,
    ) -> tuple[SubOrchestrationInstanceCreated, ByName]:
        execution = self._execution
        if instance_id is not None:
            self._check_child_id(instance_id)
        call = orchestration_call(execution.app, orchestration, args, returns, version)
        number = execution.next_id()
        event = SubOrchestrationInstanceCreated(
            execution.now,
            number,
            instance_id or f"{execution.identity.execution_id}:{number}",
            call.name,
            call.version,
            call.input,
            {**self.tags, **checked_tags(tags)},
        )
        return event, call

    def _check_child_id(self, instance_id: str) -> None:
        checked_instance_id(instance_id)
        if instance_id in (self.instance_id, self.parent_instance_id):
            raise InstanceIdError(instance_id, "it is the id of this orchestration or its parent")

    def call_http(
        self,
        method: str,
        uri: str,
        *,
        content: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: timedelta | float | None = None,
        asynchronous_pattern: bool = True,
        retry: RetryPolicy | None = None,
        token_source: TokenSource | None = None,
    ) -> Task[DurableHttpResponse]:
        """Send an HTTP request, at least once; an answer of any status is the result.

        `content` is a text, or a value to be sent as JSON. A 202 with a `Location` is polled at
        the pace of `Retry-After` (else every 30 s) until it is something else, unless
        `asynchronous_pattern` is False. With `retry`, 4xx and 5xx, or the statuses of an
        `HttpRetryPolicy`, are failures that are tried again. `timeout` bounds each request: 100 s
        unless given. Awaiting raises `TaskFailedError` when no answer came. Headers are kept in
        the history; a `token_source` keeps a credential out of it. Raises `ValueError` for a URI
        that is not http or https.
        """
        request = DurableHttpRequest(
            method,
            uri,
            *written(self._execution.codec, content, headers or {}),
            HTTP_TIMEOUT if timeout is None else seconds_of(timeout),
            asynchronous_pattern,
            token_source,
            failing_statuses(retry),
        )
        return Exchange(self._execution, request, retry).begin()

    def create_timer(self, due: Due) -> Task[None]:
        """A timer of any length: until a datetime (naive: UTC), or for a timedelta or seconds."""
        execution = self._execution
        at = fire_at(execution.now, due)
        task: Task[None] = Task(execution.kernel, "timer")
        call = execution.open_timer(at, lambda: task.resolve(None))
        task.on_cancel(call.cancel)
        return task

    @overload
    def wait_for_external_event(
        self, name: str, type_: type[T], *, timeout: timedelta | float | None = None
    ) -> Task[T]: ...
    @overload
    def wait_for_external_event(
        self, name: str, *, timeout: timedelta | float | None = None
    ) -> Task[Any]: ...
    def wait_for_external_event(
        self, name: str, type_: Any = Any, *, timeout: timedelta | float | None = None
    ) -> Task[Any]:
        """Take the oldest event of that name (in any case), or the next that is raised.

        Each event goes to one wait, in the order of the waits. Awaiting raises `PayloadError` for
        a payload that is no `type_`, and `TimeoutError` once `timeout` (seconds) has passed. A
        cancelled or timed-out wait takes nothing.
        """
        if not name:
            raise ValueError("an event has a name")
        execution = self._execution
        key = name.casefold()
        task: Task[Any] = Task(
            execution.kernel,
            f"event {name!r}",
            read=PayloadReader(execution.codec, type_, f"event {name!r}"),
        )
        execution.events.listen(key, task)
        if timeout is not None and not task.done:
            self._bound(task, key, name, seconds_of(timeout))
        return task

    def _bound(self, task: Task[Any], key: str, name: str, timeout: float) -> None:
        execution = self._execution

        def too_late() -> None:
            execution.events.stop_listening(key, task)
            task.fail(TimeoutError(f"no event {name!r} within {timeout:g} s"))

        timer = execution.open_timer(execution.now + round(timeout * 1_000_000), too_late)
        task.follow(lambda _: timer.cancel() if timer.event.id in execution.open else None)

    def send_event(self, instance_id: str, name: str, data: object = None) -> None:
        """Raise an external event at another orchestration, which need not exist."""
        checked_instance_id(instance_id)
        if not name:
            raise ValueError("an event has a name")
        execution = self._execution
        payload = execution.codec.write(data, f"event {checked_text(name, 'event')!r}")
        execution.ask(EventSent(execution.now, execution.next_id(), instance_id, name, payload))

    def task_all(self, tasks: Iterable[Task[T]]) -> Task[list[T]]:
        """Done when all are; see `perdure.actors.tasks.task_all`."""
        return task_all(self._execution.kernel, tasks)

    def task_any(self, tasks: Iterable[Task[T]]) -> Task[Task[T]]:
        """Done when one is, with that task as its value; the others go on."""
        return task_any(self._execution.kernel, tasks)

    def continue_as_new(
        self, *args: object, preserve_events: bool = True, version: str | None = None
    ) -> None:
        """Begin anew with this input and an empty history once the code returns.

        Events that nobody has taken go along unless `preserve_events` is False; the outcomes of
        calls that are still open are dropped.
        """
        execution = self._execution
        signature = execution.definition.signature
        payload = signature.write(execution.codec, args, f"input of {self.name}")
        execution.continuation = Continuation(payload, version, preserve_events)

    def set_custom_status(self, status: object) -> None:
        """Show this JSON value in the instance's status; None clears it; at most 16 KiB."""
        execution = self._execution
        execution.set_custom_status(execution.codec.write(status, "the custom status"))

    def spawn(self, coro: Coroutine[Any, Any, T], name: str) -> Task[T]:
        """Run a coroutine of your own beside the caller, as a task; `name` is for messages."""
        execution = self._execution
        task: Task[T] = Task(execution.kernel, name)

        def ended(_: Fiber, value: Any, error: BaseException | None) -> None:
            if error is None:
                task.resolve(value)
            elif isinstance(error, Cancelled):
                task.cancel()
            else:
                task.fail(error)

        fiber = execution.kernel.spawn(coro, name, ended)
        task.on_cancel(fiber.interrupt)
        return task


def _policy(asked: Retry, default: RetryPolicy | None) -> RetryPolicy | None:
    if asked is False:
        return None
    given: Any = asked
    if given is not None and not isinstance(given, RetryPolicy):
        raise TypeError(f"retry takes a RetryPolicy, False or None, not {given!r:.60}")
    return asked if asked is not None else default
