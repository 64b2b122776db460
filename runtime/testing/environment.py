"""An App in memory under virtual time: for tests of orchestrations, entities and activities."""

import inspect
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.abc
import anyio.lowlevel
from attrs import evolve

from perdure.actors.app import App
from perdure.actors.definitions import ActivityDefinition
from perdure.actors.durable_http import HTTP_ACTIVITY
from perdure.actors.errors import PerdureError
from perdure.actors.moments import micros
from perdure.persistence.memory import MemoryStore
from perdure.persistence.store import Store
from perdure.runtime.checked import checked_app
from perdure.runtime.client.client import Client
from perdure.runtime.host import Runtime, Seams
from perdure.runtime.http_activity import http_activity
from perdure.runtime.lanes import InlineLane

from .clock import VirtualClock

LATER_THAN_ANY_TEST = 100 * 365 * 86_400.0
HOUSEKEEPING = round(LATER_THAN_ANY_TEST * 1_000_000 / 4)
"""What lies so far ahead is the runtime looking for more timers, and no test waits for it."""
IDLE_PASSES = 10
GRACE = 2.0
"""How many real seconds a test may take to raise what an instance waits for."""


class Environment:
    """A runtime whose time is virtual: `async with Environment(app) as env:`.

    Time passes while a call of `env.client` waits for an instance: it jumps to the next timer as
    soon as nothing else is left to do, so that thirty days take milliseconds. With
    `auto_advance=False` only `advance` moves it. Ids are counted, so that runs repeat exactly.

    Time stands still while an activity or an async operation runs, but for no longer than
    `patience`, in real seconds: then it passes without them, so that timeouts can be tested.

    A wait for an instance that nothing can wake any more raises `RuntimeError` after two real
    seconds, in which another task of the test may still raise the event.
    """

    def __init__(
        self,
        app: App,
        *,
        start: datetime = datetime(2030, 1, 1, tzinfo=UTC),
        auto_advance: bool = True,
        patience: float = 0.5,
        store: Store | None = None,
        **settings: Any,
    ) -> None:
        self.app = _copied(app)
        self.clock = VirtualClock(start)
        self.store: Store = store if store is not None else MemoryStore()
        self._auto_advance = auto_advance
        self._patience = patience
        self._busy_since: float | None = None
        self._stuck_since: float | None = None
        self._settings: dict[str, Any] = {
            "timer_horizon": LATER_THAN_ANY_TEST,
            "drain_timeout": 0.05,
            **settings,
        }
        self._ids = itertools.count(1)
        self._calls: dict[str, list[tuple[Any, ...]]] = {}
        self._runtime: Runtime | None = None
        self._group: anyio.abc.TaskGroup | None = None

    @property
    def client(self) -> Client:
        """The client of the runtime under test."""
        return self.runtime.client

    @property
    def runtime(self) -> Runtime:
        """The runtime under test."""
        if self._runtime is None:
            raise RuntimeError("use the environment inside `async with Environment(app) as env:`")
        return self._runtime

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self.clock.time

    def stub(self, activity: Callable[..., Any] | str, outcome: Any) -> None:
        """Replace an activity.

        `outcome` is a function to call with the activity's inputs, an exception or its class to
        raise, or the value to return.
        """
        definition = self.app.activity_of(activity)
        calls = self._calls.setdefault(definition.name, [])

        async def stub(*args: Any) -> Any:
            calls.append(args)
            if isinstance(outcome, BaseException) or _is_error_class(outcome):
                raise outcome
            if not callable(outcome):
                return outcome
            value = outcome(*args)
            return await value if inspect.isawaitable(value) else value

        self._replace(evolve(definition, function=stub, takes_context=False, executor="loop"))

    def calls_of(self, activity: Callable[..., Any] | str) -> list[tuple[Any, ...]]:
        """The inputs of each call of a stubbed activity, in order."""
        return self._calls.get(self.app.activity_of(activity).name, [])

    def _replace(self, definition: ActivityDefinition) -> None:
        self.app.replace_activity(definition)

    async def advance(self, by: timedelta) -> None:
        """Let time pass, timer by timer, and everything happen that is due."""
        if by < timedelta(0):
            raise ValueError(f"time only passes forwards, not by {by}")
        until = micros(self.clock.time) + by // timedelta(microseconds=1)
        await self.settle()
        while (nearest := self.clock.nearest) is not None and nearest <= until:
            self.clock.advance_to(nearest)
            await self.settle()
        self.clock.advance_to(until)
        await self.settle()

    async def settle(self) -> None:
        """Return when nothing is left to do before time passes."""
        passes = 0
        while passes < IDLE_PASSES:
            passes = passes + 1 if self._is_still() else 0
            if self._busy_since is not None:
                await anyio.sleep(0.0005)
            await anyio.lowlevel.checkpoint()

    def _is_still(self) -> bool:
        """Whether nothing happens, or only what has lasted longer than anybody waits for."""
        partition = self.runtime.partition
        runtime = self.runtime
        working = (
            partition.operations.running
            or runtime.activities.executing
            or runtime.hooks.working
            or runtime.sweeping
        )
        if not partition.quiet or not working:
            self._busy_since = None
            return partition.quiet
        now = anyio.current_time()
        if self._busy_since is None:
            self._busy_since = now
        return now - self._busy_since >= self._patience

    async def crash(self) -> None:
        """Lose all memory as if the process had died, and start again over the same store."""
        self.runtime.die()
        await self._stop()
        await self._start()

    async def _start(self) -> None:
        seams = Seams(clock=self.clock, new_id=self._new_id, lane=InlineLane)
        runtime = Runtime(self.app, self.store, seams=seams, **self._settings)
        assert self._group is not None  # noqa: S101 - entered before
        await self._group.start(self._serve, runtime)

    async def _serve(self, runtime: Runtime, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        self._leave, self._left = anyio.Event(), anyio.Event()
        try:
            async with runtime:
                self._runtime = runtime
                task_status.started()
                await self._leave.wait()
        finally:
            self._left.set()

    async def _stop(self) -> None:
        self._leave.set()
        await self._left.wait()

    def _new_id(self) -> str:
        return f"{next(self._ids):032x}"

    async def __aenter__(self) -> Self:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        try:
            await self._start()
        except BaseException as error:
            await self._end(error)
            raise
        if self._auto_advance:
            self._group.start_soon(self._let_time_pass)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_val is None:
            await self._stop()
        await self._end(exc_val)

    async def _end(self, error: BaseException | None) -> None:
        group = self._group
        assert group is not None  # noqa: S101 - entered before
        group.cancel_scope.cancel()
        if isinstance(error, anyio.get_cancelled_exc_class()):
            await group.__aexit__(type(error), error, error.__traceback__)
        else:
            await group.__aexit__(None, None, None)
        self._runtime = None

    async def _let_time_pass(self) -> None:
        """Jump to the next timer once somebody waits and has waited in vain for a while."""
        passes = 0
        while True:
            if not (self._awaited and self._is_still()):
                passes = 0
                self._stuck_since = None
                await anyio.sleep(0.0002)
            elif passes < IDLE_PASSES:
                passes += 1
                await anyio.lowlevel.checkpoint()
            else:
                passes = 0
                if self._jump():
                    self._stuck_since = None
                    await anyio.lowlevel.checkpoint()
                else:
                    await self._be_stuck()

    @property
    def _awaited(self) -> bool:
        partition = self.runtime.partition
        return bool(partition.watchers.replies or partition.requests)

    def _jump(self) -> bool:
        """Let time pass to the next timer; returns whether there was one."""
        nearest = self.clock.nearest
        if nearest is None or nearest >= self.clock.now() + HOUSEKEEPING:
            return False
        self.clock.advance_to(nearest)
        return True

    async def _be_stuck(self) -> None:
        """Fail the waits that nothing will end, once the test had time to do something itself."""
        now = anyio.current_time()
        if self._stuck_since is None:
            self._stuck_since = now
        partition = self.runtime.partition
        working = partition.operations.running or self.runtime.activities.executing
        if working or now - self._stuck_since < GRACE:
            await anyio.sleep(0.0005)
            return
        self._stuck_since = None
        await self._fail_waits()

    async def _fail_waits(self) -> None:
        partition = self.runtime.partition
        replies, told = list(partition.watchers.replies), list[str]()
        for instance_id in partition.watchers.ids:
            try:
                status = await self.client.get_status(instance_id, show_waiting=True)
            except PerdureError:
                return
            found = status.waiting_for if status is not None else None
            what = "; ".join(map(str, found or [])) or "nothing that is known"
            told.append(f"{instance_id!r} waits for {what}")
        for reply in replies:
            problem = f"no timer is left, and nothing else goes on: {', '.join(told)}"
            reply.fail(RuntimeError(problem))


def _is_error_class(outcome: Any) -> bool:
    return isinstance(outcome, type) and issubclass(outcome, BaseException)


def _copied(app: App) -> App:
    copy = checked_app(app).copy()
    copy.built_in[HTTP_ACTIVITY] = http_activity(copy)
    return copy
