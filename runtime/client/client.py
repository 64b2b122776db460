"""The client: starts, steers and looks at orchestrations and entities.

Every method that changes something returns when the change is durable.
"""

import os
from collections.abc import Awaitable, Callable, Collection, Generator, Mapping
from datetime import datetime
from typing import Any, Self, TypeVar, TypeVarTuple, overload

from ...actors.app import App
from ...actors.context import EntityContext, OrchestrationContext
from ...actors.history import (
    ExecutionStarted,
)
from ...actors.identity import EntityId, checked_instance_id
from ...actors.moments import micros
from ...actors.status import Status
from ...actors.targets import checked_tags, orchestration_call
from ...actors.trace import TraceContext, checked_trace
from ...persistence.store import Store
from ..instruments import Telemetry
from .check_status import CheckStatus
from .connection import Connection
from .control import Control, Reuse
from .entity_queries import EntityQueries
from .gateway import Gateway
from .handles import ClientEntity, Instance
from .management import ManagementUrl
from .queries import checked_statuses

R = TypeVar("R")
E = TypeVar("E")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PAGE_SIZE = 100


class Client(Control, EntityQueries, CheckStatus):
    """See the module's docstring.

    `runtime.client` is one. In another process, `async with Client("sqlite:///app.db") as client:`
    is one as well: what it sends is durable at once, and acted upon by the process that runs the
    App, now or when it starts. Functions need the `app` that they are registered with; names do
    not. A file that is not there is an error, unless `create` says that the runtime comes later.
    `management` says where the HTTP management API is that its links lead to; `telemetry` is a
    `perdure.telemetry.Telemetry`, to carry on the caller's trace.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | Store | Gateway,
        app: App | None = None,
        *,
        management: ManagementUrl | None = None,
        telemetry: Telemetry | None = None,
        create: bool = False,
    ) -> None:
        self._connection = Connection(store, app, telemetry, create=create)
        self.management = management if management is not None else ManagementUrl()

    @property
    def gateway(self) -> Gateway:
        """The way to the actors; raises `RuntimeClosedError` outside the `async with`."""
        return self._connection.gateway

    async def __aenter__(self) -> Self:
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
        trace_context: TraceContext | None = None,
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
        trace_context: TraceContext | None = None,
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
        trace_context: TraceContext | None = None,
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
        trace_context: TraceContext | None = None,
    ) -> Instance[Any]: ...
    async def start_new(  # type: ignore[misc]  # mypy does not match *Ts with *Any
        self,
        orchestration: Any,
        *args: Any,
        returns: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        start_at: datetime | None = None,
        reuse: Collection[Status] = Reuse.NON_RUNNING,
        trace_context: TraceContext | None = None,
    ) -> Instance[Any]:
        """Start an orchestration, at once or at `start_at`; atomic.

        Of any number of callers with one id exactly one starts it; the others get
        `InstanceAlreadyExistsError`. `reuse` says in which statuses an older instance of that id
        gives way. `trace_context` says what caused it, in place of what is current; for requests
        from elsewhere. Raises `InstanceIdError`, `PayloadError` and `ArityError` for bad input, and
        `DefinitionNotFoundError` for a function or version that is not registered.
        """
        gateway = self.gateway
        _check_version(version)
        if reuse is not Reuse.NON_RUNNING:
            checked_statuses("reuse", reuse)
        call = orchestration_call(gateway.app, orchestration, args, returns, version)
        if isinstance(orchestration, str):
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
            checked_tags(tags),
            micros(start_at) if start_at is not None else None,
            trace=checked_trace(trace_context),
        )
        await gateway.start(chosen, event, reuse, fresh=fresh)
        return Instance(self, chosen, call.type)

    def _check_known(self, orchestration: str, version: str | None) -> None:
        app = self.gateway.app
        if app.orchestrations:
            app.orchestration_of(orchestration, version)

    @overload
    def instance(self, instance_id: str) -> Instance[Any]: ...
    @overload
    def instance(self, instance_id: str, returns: type[R]) -> Instance[R]: ...
    def instance(self, instance_id: str, returns: Any = None) -> Instance[Any]:
        """A handle on an instance that was started elsewhere."""
        return Instance(self, instance_id, Any if returns is None else returns)

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
        entity_id = (
            entity if isinstance(entity, EntityId) else EntityId(app.entity_name(entity), key)
        )
        definition = app.entities.get(entity_id.name)
        state_type = entity if isinstance(entity, type) else Any
        if state_type is Any and definition is not None:
            state_type = definition.state_type
        return ClientEntity(self, entity_id, state_type)


def _check_version(version: object) -> None:
    if version is not None and not isinstance(version, str):
        raise TypeError(f"version is a text, not {version!r}")
