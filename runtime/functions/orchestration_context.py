"""The context of orchestrators of the 1.x model, over the one that this package's own have."""

import json
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

from perdure.actors.anyio_backend import current_kernel
from perdure.actors.context import OrchestrationContext
from perdure.actors.durable_http import HTTP_ACTIVITY, DurableHttpResponse
from perdure.actors.history import Payload
from perdure.actors.retry import RetryPolicy
from perdure.actors.tasks import Task

from .failures import Caller, as_thrown
from .happenings import CallRecord, EventType, Happenings, HistoryEvent
from .model import ACTIVITY_TRIGGER, ORCHESTRATION_TRIGGER
from .payloads import Raw, TaggedCodec, Written
from .references import (
    entity_of,
    fire_time,
    name_of,
    retry_policy,
    returned_type,
    scope_of,
)
from .tasks import AllTask, AnyTask, CallTask, DurableTask, EventTask, TimerTask

_UUIDS = uuid.uuid5(uuid.NAMESPACE_OID, "9e952958-5e33-4daf-827f-2fa12937b875")
_STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"
Ask = Callable[[], Task[Any]]


class DurableOrchestrationContext:
    """What an orchestrator of the 1.x model is given; names and behaviour are those of 1.x.

    Calls return tasks that are inert until they are yielded. Inputs are written when the call is
    made. After `continue_as_new` nothing more is asked for, and the next `yield` is the last.
    """

    def __init__(
        self,
        inner: OrchestrationContext,
        codec: TaggedCodec,
        input_type: type | None = None,
        actions_max: int = 100_000,
    ) -> None:
        self._inner = inner
        self._kernel = current_kernel()
        self._codec = codec
        self._input_type = input_type
        self._actions_max = actions_max
        self._actions = 0
        self._uuids = 0
        self._custom_status: Any = None
        self._continues = False
        self._waiting: dict[str, list[EventTask]] = {}
        self._happenings = Happenings(
            lambda: inner.current_utc_datetime, lambda: inner.is_replaying
        )
        self._input: Payload = inner.get_input(Raw)
        self._happenings.note(
            EventType.EXECUTION_STARTED, Name=inner.name, Version=inner.version, Input=self._input
        )

    # What it tells

    @property
    def instance_id(self) -> str:
        """The instance's id."""
        return self._inner.instance_id

    @property
    def parent_instance_id(self) -> str | None:
        """The orchestration that waits for this one, if any."""
        return self._inner.parent_instance_id

    @property
    def current_utc_datetime(self) -> datetime:
        """The time of the current turn: aware, and the same in every replay."""
        return self._inner.current_utc_datetime

    @property
    def is_replaying(self) -> bool:
        """Whether old events are being applied."""
        return self._inner.is_replaying

    @property
    def version(self) -> str | None:
        """The version that the instance was started with."""
        return self._inner.version

    @property
    def custom_status(self) -> Any:
        """What `set_custom_status` was given last."""
        return self._custom_status

    @property
    def will_continue_as_new(self) -> bool:
        """Whether `continue_as_new` was called."""
        return self._continues

    @property
    def function_context(self) -> SimpleNamespace:
        """Whatever else is known of the function: its `name`."""
        return SimpleNamespace(name=self._inner.name)

    @property
    def histories(self) -> list[HistoryEvent]:
        """What was asked for and heard so far. It grows with each replay: decide nothing by it."""
        return self._happenings.shown()

    def get_input(self, expected_type: type | None = None) -> Any:
        """The instance's input."""
        expected = expected_type or self._input_type
        return self._codec.decode(self._input, expected, f"input of {self._inner.name}")

    def new_uuid(self) -> str:
        """The next of a sequence of UUIDs, as a text; the same in every replay."""
        stamp = self.current_utc_datetime.strftime(_STAMP)
        return str(uuid.uuid5(_UUIDS, f"{self.instance_id}_{stamp}_{self._next_uuid()}"))

    def new_guid(self) -> uuid.UUID:
        """The next of a sequence of UUIDs; the same in every replay."""
        name = f"{self.instance_id}_{self.current_utc_datetime}_{self._next_uuid()}"
        return uuid.uuid5(uuid.NAMESPACE_URL, name)

    def _next_uuid(self) -> int:
        self._uuids += 1
        return self._uuids - 1

    # Calls

    def call_activity(
        self, name: Any, input_: Any = None, expected_type: type | None = None
    ) -> DurableTask:
        """Run an activity, by its name or its decorated function."""
        return self._activity("call_activity", name, input_, expected_type, None)

    def call_activity_with_retry(
        self, name: Any, retry_options: Any, input_: Any = None, expected_type: type | None = None
    ) -> DurableTask:
        """Run an activity, again when it fails."""
        caller = "call_activity_with_retry"
        return self._activity(caller, name, input_, expected_type, retry_options)

    def _activity(
        self, caller: str, target: Any, input_: Any, expected: type | None, retry: Any
    ) -> DurableTask:
        name = name_of(target, ACTIVITY_TRIGGER, caller)
        written = self._written(input_, f"input of {name}")
        ask = partial(self._inner.call_activity, name, written, returns=Raw, retry=_policy(retry))
        read = self._reader(expected or returned_type(target), f"result of {name}")
        return self._call(ask, read, self._record(EventType.TASK_SCHEDULED, name, written))

    def call_sub_orchestrator(
        self,
        name: Any,
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: type | None = None,
    ) -> DurableTask:
        """Run another orchestration, by its name or its decorated function."""
        caller = "call_sub_orchestrator"
        return self._child(caller, name, input_, instance_id, version, expected_type, None)

    def call_sub_orchestrator_with_retry(
        self,
        name: Any,
        retry_options: Any,
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: type | None = None,
    ) -> DurableTask:
        """Run another orchestration, again when it fails."""
        caller = "call_sub_orchestrator_with_retry"
        return self._child(caller, name, input_, instance_id, version, expected_type, retry_options)

    def _child(
        self,
        caller: str,
        target: Any,
        input_: Any,
        instance_id: str | None,
        version: str | None,
        expected: type | None,
        retry: Any,
    ) -> DurableTask:
        name = name_of(target, ORCHESTRATION_TRIGGER, caller)
        written = self._written(input_, f"input of {name}")
        ask = partial(
            self._inner.call_sub_orchestrator,
            name,
            written,
            returns=Raw,
            instance_id=instance_id or None,
            version=version,
            retry=_policy(retry),
        )
        kind = EventType.SUB_ORCHESTRATION_INSTANCE_CREATED
        record = self._record(kind, name, written, InstanceId=instance_id)
        read = self._reader(expected, f"result of {name}")
        return self._call(ask, read, record, "Orchestrator")

    def call_http(
        self,
        method: str,
        uri: str,
        content: Any = None,
        headers: dict[str, str] | None = None,
        token_source: Any = None,
        is_raw_str: bool = False,  # noqa: FBT001, FBT002 - 1.x has it by position
    ) -> DurableTask:
        """Send an HTTP request; the answer is a dict of `statusCode`, `headers` and `content`."""
        if is_raw_str and not isinstance(content, str):
            raise TypeError("is_raw_str sends a text as it is, but content is no string")
        text = content if is_raw_str or content is None else json.dumps(content)
        source = scope_of(token_source)
        ask = partial(
            self._inner.call_http, method, uri, content=text, headers=headers, token_source=source
        )
        record = self._record(EventType.TASK_SCHEDULED, HTTP_ACTIVITY, Written(text))
        return self._call(ask, DurableHttpResponse.to_json, record)

    def call_entity(
        self,
        entityId: Any,  # noqa: N803 - the name in 1.x
        operationName: str,  # noqa: N803 - likewise
        operationInput: Any = None,  # noqa: N803 - likewise
        expected_type: type | None = None,
    ) -> DurableTask:
        """Run an operation of an entity and get its result."""
        entity = entity_of(entityId)
        written = self._written(operationInput, f"input of {operationName}")
        ask = partial(self._inner.call_entity, entity, operationName, written, returns=Raw)
        read = self._reader(expected_type, f"result of {operationName}")
        facts = {"InstanceId": str(entity)}
        return self._call(
            ask, read, self._record(EventType.EVENT_SENT, operationName, written, **facts)
        )

    def signal_entity(
        self,
        entityId: Any,  # noqa: N803 - the name in 1.x
        operationName: str,  # noqa: N803 - likewise
        operationInput: Any = None,  # noqa: N803 - likewise
    ) -> DurableTask:
        """Send an operation to an entity; happens at the call, there is nothing to wait for."""
        entity = entity_of(entityId)
        written = self._written(operationInput, f"input of {operationName}")
        task = DurableTask(self._kernel)
        if not self._continues:
            task.id = self._number()
            self._inner.signal_entity(entity, operationName, written)
            facts = {"InstanceId": str(entity)}
            self._record(EventType.EVENT_SENT, operationName, written, **facts).asked(task.id)
        task.succeed(None)
        return task

    def create_timer(self, fire_at: datetime) -> TimerTask:
        """A timer of any length; a naive time is UTC."""
        due = fire_time(fire_at)

        def ask() -> Task[Any]:
            task.id = number = self._number()
            self._happenings.note(EventType.TIMER_CREATED, number, FireAt=due)
            return self._inner.create_timer(due)

        def fired(_: DurableTask) -> None:
            self._happenings.note(EventType.TIMER_FIRED, TimerId=task.id, FireAt=due)

        task = TimerTask(self._kernel, ask, lambda _: None, lambda error: error)
        task.follow(fired)
        return task

    def wait_for_external_event(self, name: str, expected_type: type | None = None) -> DurableTask:
        """The next event of that name, in any case; of several waits the latest gets it."""
        if not name:
            raise ValueError("an event has a name")
        read = self._reader(expected_type, f"event {name!r}")
        return EventTask(self._kernel, name, self._listen, read)

    def _listen(self, task: EventTask) -> None:
        name = str(task.id)
        waiting = self._waiting.setdefault(name.casefold(), [])
        waiting.append(task)
        if len(waiting) == 1:
            self._inner.spawn(self._hear(name, waiting), f"event {name!r}")

    async def _hear(self, name: str, waiting: list[EventTask]) -> None:
        """Give each event to the latest wait, as 1.x does: earlier ones may have been given up."""
        while waiting:
            payload = await self._inner.wait_for_external_event(name, Raw)
            heard: Any = payload
            self._happenings.note(EventType.EVENT_RAISED, Name=name, Input=heard)
            waiting.pop().hear(heard)

    def task_all(self, activities: Iterable[DurableTask]) -> DurableTask:
        """Done when all are, with their results in order, or with the first failure."""
        return AllTask(self._kernel, activities)

    def task_any(self, activities: Iterable[DurableTask]) -> DurableTask:
        """Done when one is, with that task as its result."""
        return AnyTask(self._kernel, activities)

    def continue_as_new(self, input_: Any) -> None:
        """Begin anew with this input; events that nobody has taken go along."""
        if not self._continues:
            self._inner.continue_as_new(self._written(input_, f"input of {self._inner.name}"))
            self._continues = True

    def set_custom_status(self, status: Any) -> None:
        """Show this value in the instance's status."""
        self._inner.set_custom_status(status)
        self._custom_status = status

    # How calls become tasks

    def _record(self, kind: EventType, name: str, written: Written, **facts: Any) -> CallRecord:
        return CallRecord(self._happenings, kind, name, written.payload, facts)

    def _written(self, value: Any, path: str) -> Written:
        return Written(self._codec.write(value, path))

    def _reader(self, expected: type | None, path: str) -> Callable[[Payload], Any]:
        return lambda payload: self._codec.decode(payload, expected, path)

    def _number(self) -> int:
        """The id of the next call, from 0; raises when an execution asks for too much."""
        if self._actions >= self._actions_max:
            raise RuntimeError(
                f"this orchestration has asked for {self._actions_max:,} things, which is "
                "maxOrchestrationActions; raise that in host.json, or use continue_as_new"
            )
        self._actions += 1
        return self._actions - 1

    def _call(
        self, ask: Ask, read: Callable[[Any], Any], record: CallRecord, caller: Caller = "Activity"
    ) -> CallTask:
        def asked() -> Task[Any]:
            number = self._number()
            begun = ask()
            task.id = number
            record.asked(number)
            return begun

        def heard(payload: Any) -> Any:
            record.payload = payload if isinstance(payload, str) else None
            return read(payload)

        task = CallTask(self._kernel, asked, heard, partial(as_thrown, kind=caller))
        task.follow(lambda _: record.ended(task.result, failed=task.is_faulted))
        return task


def _policy(options: Any) -> RetryPolicy | None:
    return None if options is None else retry_policy(options)
