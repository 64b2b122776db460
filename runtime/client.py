"""The client: starts, steers and looks at orchestrations and entities.

Every method that changes something returns when the change is durable.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar, TypeVarTuple, cast, overload

import anyio
import orjson

from ..actors.app import App
from ..actors.context import EntityContext, OrchestrationContext
from ..actors.entity import Lock
from ..actors.errors import (
    EntityOperationFailedError,
    InstanceNotFoundError,
    InstanceStateError,
    OrchestrationFailedError,
    PerdureError,
)
from ..actors.failure import FailureDetails
from ..actors.history import (
    NO_ID,
    EntityOperationCalled,
    EntityOperationFailed,
    EntityOperationSignaled,
    EntityUnlockSent,
    EventRaised,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
)
from ..actors.identity import EntityId, checked_instance_id
from ..actors.messages import Message
from ..actors.moments import micros, moment
from ..actors.status import TERMINAL, Status
from ..actors.wire import event_document
from ..actors.targets import operation_call, orchestration_call
from ..persistence.records import EntityRow, InstanceRow, Query
from ..persistence.store import Store
from .connection import Connection
from .gateway import Gateway
from .restore import turn
from .views import (
    CleanResult,
    EntityPage,
    EntityState,
    HistoryEvent,
    InstancePage,
    InstanceStatus,
    PurgeResult,
    entity_state,
    instance_status,
)
from .waiting import waiting_for

R = TypeVar("R")
E = TypeVar("E")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PAGE_SIZE = 100


class Reuse:
    """When an instance that has the wanted id gives way to a new one."""

    NON_RUNNING = frozenset(TERMINAL)
    """When it has ended, in whatever way: the default."""
    ANY_STATE = frozenset(Status)
    """Always; one that is running is terminated first."""
    NEVER: frozenset[Status] = frozenset()
    """Never."""


class Instance(Generic[R]):
    """A handle on one orchestration."""

    def __init__(self, client: "Client", instance_id: str, returns: Any = Any) -> None:
        self.client = client
        self.instance_id = instance_id
        self._returns = returns

    def __repr__(self) -> str:
        return f"<Instance {self.instance_id}>"

    async def result(self, timeout: float | None = None) -> R:
        """Wait for the end and return the output.

        Raises `OrchestrationFailedError` when it failed or was terminated, `TimeoutError` when it
        has not ended within `timeout` seconds.
        """
        status = await self.client.wait_for_completion(self.instance_id, timeout=timeout)
        if status.runtime_status is not Status.COMPLETED:
            raise OrchestrationFailedError(
                self.instance_id, status.runtime_status, _end_of(status)
            )
        return cast("R", status.read_output(self._returns))

    async def status(self) -> InstanceStatus | None:
        """What is known of it now."""
        return await self.client.get_status(self.instance_id)

    async def raise_event(self, name: str, data: object = None) -> None:
        """See `Client.raise_event`."""
        await self.client.raise_event(self.instance_id, name, data)

    async def terminate(self, reason: str | None = None, *, recursive: bool = False) -> None:
        """See `Client.terminate`."""
        await self.client.terminate(self.instance_id, reason, recursive=recursive)


def _end_of(status: InstanceStatus) -> FailureDetails:
    if status.failure_details is not None:
        return status.failure_details
    return FailureDetails(status.runtime_status.label, str(status.output or ""))


class ClientEntity(Generic[E]):
    """An entity as a client sees it."""

    def __init__(self, client: "Client", entity_id: EntityId, state_type: Any) -> None:
        self._client = client
        self._state_type = state_type
        self.id = entity_id

    @overload
    async def call(
        self,
        operation: Callable[[E, EntityContext, *Ts], Awaitable[R]],
        *args: *Ts,
        timeout: float | None = None,
    ) -> R: ...
    @overload
    async def call(
        self,
        operation: Callable[[E, *Ts], Awaitable[R]],
        *args: *Ts,
        timeout: float | None = None,
    ) -> R: ...
    @overload
    async def call(
        self,
        operation: Callable[[E, EntityContext, *Ts], R],
        *args: *Ts,
        timeout: float | None = None,
    ) -> R: ...
    @overload
    async def call(
        self, operation: Callable[[E, *Ts], R], *args: *Ts, timeout: float | None = None
    ) -> R: ...
    @overload
    async def call(
        self, operation: str, *args: object, returns: type[R], timeout: float | None = None
    ) -> R: ...
    @overload
    async def call(
        self, operation: str, *args: object, timeout: float | None = None
    ) -> Any: ...
    async def call(
        self, operation: Any, *args: Any, returns: Any = None, timeout: float | None = None
    ) -> Any:
        """Run an operation and wait for its result, durable on both sides.

        Raises `EntityOperationFailedError` when it raised, and `TimeoutError` after `timeout`
        seconds; the operation may still happen then.
        """
        gateway = self._client.gateway
        call = operation_call(gateway.app, self.id, operation, args, returns)
        event = EntityOperationCalled(
            gateway.clock.now(), NO_ID, gateway.new_id(), call.name, str(self.id), call.input
        )
        with anyio.fail_after(timeout):
            answer = await gateway.call(Message(str(self.id), event), event)
        if isinstance(answer, EntityOperationFailed):
            raise EntityOperationFailedError(f"{self.id}.{call.name}", NO_ID, answer.failure)
        return call.read(answer.output)

    @overload
    async def signal(
        self,
        operation: Callable[[E, EntityContext, *Ts], object],
        *args: *Ts,
        at: datetime | None = None,
    ) -> None: ...
    @overload
    async def signal(
        self, operation: Callable[[E, *Ts], object], *args: *Ts, at: datetime | None = None
    ) -> None: ...
    @overload
    async def signal(
        self, operation: str, *args: object, at: datetime | None = None
    ) -> None: ...
    async def signal(self, operation: Any, *args: Any, at: datetime | None = None) -> None:
        """Send an operation of which nobody awaits the result, to be delivered not before `at`."""
        gateway = self._client.gateway
        call = operation_call(gateway.app, self.id, operation, args, None)
        due = micros(at) if at is not None else None
        event = EntityOperationSignaled(
            gateway.clock.now(),
            NO_ID,
            gateway.new_id(),
            call.name,
            str(self.id),
            call.input,
            due,
        )
        await gateway.send(Message(str(self.id), event, due=due), None)

    async def read(self) -> E | None:
        """The last committed state, or None when the entity does not exist."""
        row = await self._client.gateway.read(lambda store: store.entity(str(self.id)))
        if row is None or row.state is None:
            return None
        codec = self._client.gateway.app.codec
        return cast("E", codec.read(row.state, self._state_type, f"state of {self.id}"))


class Client:
    """See the module's docstring.

    `runtime.client` is one. In another process, `async with Client("sqlite:///app.db") as client:`
    is one as well: what it sends is durable at once, and acted upon by the process that runs the
    App, now or when it starts. Functions need the `app` that they are registered with; names do
    not.
    """

    def __init__(
        self, store: str | os.PathLike[str] | Store | Gateway, app: App | None = None
    ) -> None:
        self._connection = Connection(store, app)

    @property
    def gateway(self) -> Gateway:
        """The way to the actors; raises `RuntimeClosedError` outside the `async with`."""
        return self._connection.gateway

    async def __aenter__(self) -> "Client":
        await self._connection.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connection.close()

    # Starting

    @overload
    async def start_new(
        self,
        orchestration: Callable[[OrchestrationContext, *Ts], Awaitable[R]],
        *args: *Ts,
        instance_id: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        start_at: datetime | None = None,
        reuse: Collection[Status] = Reuse.NON_RUNNING,
    ) -> Instance[R]: ...
    @overload
    async def start_new(
        self,
        orchestration: Callable[[OrchestrationContext, *Ts], Generator[Any, Any, R]],
        *args: *Ts,
        instance_id: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        start_at: datetime | None = None,
        reuse: Collection[Status] = Reuse.NON_RUNNING,
    ) -> Instance[R]: ...
    @overload
    async def start_new(
        self,
        orchestration: str,
        *args: object,
        returns: type[R],
        instance_id: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        start_at: datetime | None = None,
        reuse: Collection[Status] = Reuse.NON_RUNNING,
    ) -> Instance[R]: ...
    @overload
    async def start_new(
        self,
        orchestration: str,
        *args: object,
        instance_id: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        start_at: datetime | None = None,
        reuse: Collection[Status] = Reuse.NON_RUNNING,
    ) -> Instance[Any]: ...
    async def start_new(
        self,
        orchestration: Any,
        *args: Any,
        returns: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        start_at: datetime | None = None,
        reuse: Collection[Status] = Reuse.NON_RUNNING,
    ) -> Instance[Any]:
        """Start an orchestration, at once or at `start_at`; atomic.

        Of any number of callers with one id exactly one starts it; the others get
        `InstanceAlreadyExistsError`. `reuse` says in which statuses an older instance of that id
        gives way. Raises `InstanceIdError`, `PayloadError` and `ArityError` for bad input, and
        `DefinitionNotFoundError` for a function or version that is not registered.
        """
        gateway = self.gateway
        call = orchestration_call(gateway.app, orchestration, args, returns, version)
        self._check_known(orchestration, version)
        fresh = instance_id is None
        chosen = gateway.new_id() if instance_id is None else checked_instance_id(instance_id)
        event = ExecutionStarted(
            gateway.clock.now(),
            call.name,
            gateway.new_id(),
            call.version,
            call.input,
            None,
            _checked_tags(tags),
            micros(start_at) if start_at is not None else None,
        )
        await gateway.start(chosen, event, reuse, fresh=fresh)
        return Instance(self, chosen, call.type)

    def _check_known(self, orchestration: Any, version: str | None) -> None:
        app = self.gateway.app
        if app.orchestrations:
            app.orchestration_of(orchestration, version)

    def instance(self, instance_id: str, returns: type[R] | None = None) -> Instance[R]:
        """A handle on an instance that was started elsewhere."""
        return Instance(self, instance_id, Any if returns is None else returns)

    # Looking

    async def get_status(
        self,
        instance_id: str,
        *,
        show_input: bool = True,
        show_history: bool = False,
        show_waiting: bool = False,
    ) -> InstanceStatus | None:
        """What is known of an instance, or None when there is none.

        `show_history` adds its events, `show_waiting` what it waits for, as of its last commit.
        """
        app, now = self.gateway.app, self.gateway.clock.now()

        def read(store: Store) -> InstanceStatus | None:
            row = store.instance(instance_id)
            if row is None:
                return None
            status = instance_status(row, app.codec)
            if not show_input:
                status.input = None
            if show_history or show_waiting:
                turns = [turn(recorded) for recorded in store.history(instance_id)]
                if show_history:
                    status.history = _events(turns)
                if show_waiting:
                    status.waiting_for = waiting_for(row, turns, store, now)
            return status

        return await self.gateway.read(read)

    async def get_many(self, instance_ids: Collection[str]) -> dict[str, InstanceStatus]:
        """Many instances at once; unknown ids are left out."""
        rows = await self.gateway.read(lambda store: store.instances(instance_ids))
        codec = self.gateway.app.codec
        return {key: instance_status(row, codec) for key, row in rows.items()}

    async def export_history(self, instance_id: str) -> str:
        """The current execution's history as JSON, for `perdure.testing.replay`."""
        history = await self.get_history(instance_id)
        documents = [
            {
                "type": item.event_type,
                "at": micros(item.timestamp),
                "event": event_document(item.event) if item.event is not None else None,
            }
            for item in history
        ]
        return orjson.dumps(documents, option=orjson.OPT_INDENT_2).decode()

    async def get_history(self, instance_id: str) -> list[HistoryEvent]:
        """The events of the current execution; raises `InstanceNotFoundError`."""
        status = await self.get_status(instance_id, show_history=True)
        if status is None:
            raise InstanceNotFoundError(instance_id)
        return status.history or []

    async def query(
        self,
        *,
        statuses: Collection[Status] = (),
        names: Collection[str] = (),
        instance_id_prefix: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        completed_from: datetime | None = None,
        completed_to: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        parent_instance_id: str | None = None,
        page_size: int = PAGE_SIZE,
        continuation_token: str | None = None,
        show_payloads: bool = True,
    ) -> InstancePage:
        """Matching orchestrations by creation; every page but the last has `page_size` of them."""
        wanted = _query(
            statuses,
            names,
            instance_id_prefix,
            (created_from, created_to, completed_from, completed_to),
            tags,
            parent_instance_id,
        )
        if page_size < 1:
            raise ValueError(f"page_size must be at least 1, not {page_size}")
        page = await self.gateway.read(
            lambda store: store.query(wanted, page_size, continuation_token)
        )
        codec = self.gateway.app.codec
        found = [instance_status(row, codec, payloads=show_payloads) for row in page.rows]
        return InstancePage(found, page.token)

    async def query_all(self, **filters: Any) -> AsyncIterator[InstanceStatus]:
        """All matching orchestrations, page by page; takes what `query` takes."""
        token: str | None = None
        while True:
            page = await self.query(**filters, continuation_token=token)
            for status in page.instances:
                yield status
            token = page.continuation_token
            if token is None:
                return

    async def count(
        self,
        *,
        statuses: Collection[Status] = (),
        names: Collection[str] = (),
        instance_id_prefix: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dict[Status, int]:
        """How many orchestrations match, by status."""
        times = (created_from, created_to, None, None)
        wanted = _query(statuses, names, instance_id_prefix, times, tags, None)
        return await self.gateway.read(lambda store: store.count(wanted))

    async def wait_for_start(
        self, instance_id: str, *, timeout: float | None = None
    ) -> InstanceStatus:
        """Wait until an instance is not Pending any more.

        Raises `InstanceNotFoundError`, and `TimeoutError` after `timeout` seconds.
        """
        return await self._wait(
            instance_id, lambda row: row.status is not Status.PENDING, timeout
        )

    async def wait_for_completion(
        self, instance_id: str, *, timeout: float | None = None
    ) -> InstanceStatus:
        """Wait until an instance has ended, in whatever way.

        Raises `InstanceNotFoundError`, and `TimeoutError` after `timeout` seconds.
        """
        return await self._wait(instance_id, lambda row: row.status.is_terminal, timeout)

    async def _wait(
        self, instance_id: str, until: Callable[[InstanceRow], bool], timeout: float | None
    ) -> InstanceStatus:
        with anyio.fail_after(timeout):
            row = await self.gateway.watch(instance_id, until)
        return instance_status(row, self.gateway.app.codec)

    # Steering

    async def raise_event(self, instance_id: str, name: str, data: object = None) -> None:
        """Raise an external event; kept until the instance waits for it.

        Raises `InstanceNotFoundError`, and `InstanceStateError` for one that has ended.
        """
        if not name:
            raise ValueError("an event has a name")
        payload = self.gateway.app.codec.write(data, f"event {name!r}")
        event = EventRaised(self.gateway.clock.now(), name, payload)
        await self._steer(instance_id, event, f"raise event {name!r} at")

    async def terminate(
        self, instance_id: str, reason: str | None = None, *, recursive: bool = False
    ) -> None:
        """End an instance; its output becomes the reason.

        Its running activities are cancelled, its locks freed and its parent told. `recursive`
        terminates its unfinished children too. Raises `InstanceNotFoundError`, and
        `InstanceStateError` for one that has ended.
        """
        payload = self.gateway.app.codec.write(reason, "reason")
        event = ExecutionTerminated(self.gateway.clock.now(), payload, recursive)
        await self._steer(instance_id, event, "terminate")

    async def suspend(self, instance_id: str, reason: str | None = None) -> None:
        """Let nothing reach the code until `resume`; suspending twice does no harm.

        Raises `InstanceNotFoundError`, and `InstanceStateError` for one that has ended.
        """
        event = ExecutionSuspended(self.gateway.clock.now(), reason)
        await self._steer(instance_id, event, "suspend")

    async def resume(self, instance_id: str, reason: str | None = None) -> None:
        """Go on after `suspend`, in order of arrival; lets a parked instance try again.

        Raises `InstanceNotFoundError`, and `InstanceStateError` for one that is neither.
        """
        row = await self.gateway.read(lambda store: store.instance(instance_id))
        if row is not None and row.parked is not None:
            await self.gateway.mend(instance_id)
            if row.status is not Status.SUSPENDED:
                return
        event = ExecutionResumed(self.gateway.clock.now(), reason)
        await self._steer(instance_id, event, "resume", only=Status.SUSPENDED)

    async def rewind(self, instance_id: str, reason: str | None = None) -> None:
        """Let a failed instance do its failed work again, and keep what succeeded.

        Raises `InstanceNotFoundError`, and `InstanceStateError` unless it is Failed.
        """
        gateway = self.gateway
        event = ExecutionRewound(gateway.clock.now(), reason, gateway.new_id())
        await self._steer(instance_id, event, "rewind", only=Status.FAILED)

    async def _steer(
        self, instance_id: str, event: Any, operation: str, *, only: Status | None = None
    ) -> None:
        def check(status: Status) -> PerdureError | None:
            allowed = status is only if only is not None else not status.is_terminal
            return None if allowed else InstanceStateError(instance_id, status, operation)

        if instance_id.startswith("@"):
            raise InstanceNotFoundError(instance_id)
        await self.gateway.send(Message(instance_id, event), check)

    async def restart(
        self, instance_id: str, *, restart_with_new_instance_id: bool = True
    ) -> Instance[Any]:
        """Start an orchestration again, with the same input, version and tags.

        With the same id it has to have ended, else `InstanceStateError`. Raises
        `InstanceNotFoundError`.
        """
        gateway = self.gateway
        row = await gateway.read(lambda store: store.instance(instance_id))
        if row is None:
            raise InstanceNotFoundError(instance_id)
        if not restart_with_new_instance_id and not row.status.is_terminal:
            raise InstanceStateError(instance_id, row.status, "restart")
        chosen = gateway.new_id() if restart_with_new_instance_id else instance_id
        event = ExecutionStarted(
            gateway.clock.now(),
            row.name,
            gateway.new_id(),
            row.version,
            row.input,
            None,
            dict(row.tags),
        )
        await gateway.start(
            chosen, event, Reuse.NON_RUNNING, fresh=restart_with_new_instance_id
        )
        return Instance(self, chosen)

    async def purge(self, instance_id: str, *, recursive: bool = False) -> PurgeResult:
        """Delete an instance that has ended, with its history; `recursive` its children too.

        Raises `InstanceNotFoundError`, and `InstanceStateError` for one that has not ended.
        """
        row = await self.gateway.read(lambda store: store.instance(instance_id))
        if row is None:
            raise InstanceNotFoundError(instance_id)
        if not row.status.is_terminal:
            raise InstanceStateError(instance_id, row.status, "purge")
        ids = [instance_id]
        if recursive:
            ids.extend(await self._descendants(instance_id))
        return await self._purged(ids)

    async def _descendants(self, instance_id: str) -> list[str]:
        found: list[str] = []
        async for child in self.query_all(parent_instance_id=instance_id, show_payloads=False):
            found.append(child.instance_id)
            found.extend(await self._descendants(child.instance_id))
        return found

    async def purge_by(
        self,
        *,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        completed_to: datetime | None = None,
        statuses: Collection[Status] = Reuse.NON_RUNNING,
        names: Collection[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> PurgeResult:
        """Delete all matching instances that have ended.

        Raises `ValueError` for a status in which an instance has not ended.
        """
        if running := [s.label for s in statuses if not s.is_terminal]:
            raise ValueError(f"only ended instances can be purged, not {', '.join(running)}")
        result = PurgeResult()
        filters: dict[str, Any] = {
            "statuses": statuses,
            "names": names,
            "created_from": created_from,
            "created_to": created_to,
            "completed_to": completed_to,
            "tags": tags,
            "show_payloads": False,
        }
        page = await self.query(**filters)
        while page.instances:
            purged = await self._purged([status.instance_id for status in page.instances])
            result.instance_ids.extend(purged.instance_ids)
            if page.continuation_token is None:
                break
            page = await self.query(**filters, continuation_token=page.continuation_token)
        result.deleted_instance_count = len(result.instance_ids)
        return result

    async def _purged(self, ids: list[str]) -> PurgeResult:
        purged = await self.gateway.purge(ids)
        return PurgeResult(len(purged), purged)

    # Entities

    @overload
    def entity(self, entity: type[E], key: str) -> ClientEntity[E]: ...
    @overload
    def entity(
        self, entity: Callable[[EntityContext], object] | str, key: str
    ) -> ClientEntity[Any]: ...
    @overload
    def entity(self, entity: EntityId) -> ClientEntity[Any]: ...
    def entity(self, entity: Any, key: str = "") -> ClientEntity[Any]:
        """An entity, by its class, function, name or id; it need not exist before."""
        app = self.gateway.app
        entity_id = entity if isinstance(entity, EntityId) else EntityId(app.entity_name(entity), key)
        definition = app.entities.get(entity_id.name)
        state_type = entity if isinstance(entity, type) else Any
        if state_type is Any and definition is not None:
            state_type = definition.state_type
        return ClientEntity(self, entity_id, state_type)

    async def get_entity(self, entity_id: EntityId) -> EntityState | None:
        """What is known of an entity as of its last commit, or None."""

        def read(store: Store) -> EntityState | None:
            row = store.entity(str(entity_id))
            backlog = store.backlog(str(entity_id))
            if row is None:
                return None
            return entity_state(row, backlog=backlog)

        return await self.gateway.read(read)

    async def query_entities(
        self,
        *,
        name: str = "",
        key_prefix: str = "",
        last_modified_from: datetime | None = None,
        last_modified_to: datetime | None = None,
        include_state: bool = True,
        include_transient: bool = False,
        page_size: int = PAGE_SIZE,
        continuation_token: str | None = None,
    ) -> EntityPage:
        """Entities by id; those without state only with `include_transient`."""
        if key_prefix and not name:
            raise ValueError("key_prefix needs the name of the entity")
        prefix = f"@{name.lower()}@{key_prefix}" if name else "@"
        page = await self.gateway.read(
            lambda store: store.entities(
                prefix,
                page_size,
                continuation_token,
                updated_from=_micros(last_modified_from),
                updated_to=_micros(last_modified_to),
                transient=include_transient,
            )
        )
        return EntityPage([entity_state(row, state=include_state) for row in page.rows], page.token)

    async def clean_entity_storage(
        self, *, remove_empty_entities: bool = True, release_orphaned_locks: bool = True
    ) -> CleanResult:
        """Release locks whose holder has ended or is gone.

        Entities without state, lock and messages are removed as they arise, so that there are
        none to remove.
        """
        result, token = CleanResult(), None
        while release_orphaned_locks:
            found = token
            page = await self.gateway.read(
                lambda store, found=found: store.entities("@", PAGE_SIZE, found, transient=True)
            )
            for row in page.rows:
                result.orphaned_locks_released += await self._release_if_orphaned(row)
            token = page.token
            if token is None:
                break
        return result

    async def _release_if_orphaned(self, row: EntityRow) -> int:
        if row.lock is None or row.locked_by is None:
            return 0
        holder = await self.get_status(row.locked_by)
        if holder is not None and holder.is_running:
            return 0
        lock = Lock.read(row.lock)
        event = EntityUnlockSent(
            self.gateway.clock.now(), NO_ID, lock.critical_section_id, row.id, lock.owner
        )
        await self.gateway.send(Message(row.id, event), None)
        return 1


def _micros(when: datetime | None) -> int | None:
    return micros(when) if when is not None else None


def _checked_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    checked = dict(tags or {})
    for key, value in checked.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"tags are texts, not {key!r}: {value!r}")
    return checked


def _query(
    statuses: Collection[Status],
    names: Collection[str],
    prefix: str,
    times: tuple[datetime | None, datetime | None, datetime | None, datetime | None],
    tags: Mapping[str, str] | None,
    parent_id: str | None,
) -> Query:
    created_from, created_to, completed_from, completed_to = map(_micros, times)
    return Query(
        frozenset(statuses),
        frozenset(names),
        prefix,
        created_from,
        created_to,
        completed_from,
        completed_to,
        tuple((tags or {}).items()),
        parent_id,
    )


def _events(turns: list[Any]) -> list[HistoryEvent]:
    events: list[HistoryEvent] = []
    for recorded in turns:
        at = moment(recorded.at)
        events.append(HistoryEvent("OrchestratorStarted", at, None))
        events.extend(HistoryEvent(type(e).__name__, moment(e.at), e) for e in recorded.events)
        events.append(HistoryEvent("OrchestratorCompleted", at, None))
    return events
