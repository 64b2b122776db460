"""The runtime: everything that runs while an App is alive, under one task group."""

import logging
import os
from collections.abc import Sequence
from functools import partial
from random import SystemRandom
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.abc
import sniffio
from attrs import define

from ..actors.app import App
from ..actors.durable_http import HTTP_ACTIVITY
from ..actors.errors import ClaimLostError, RuntimeClosedError, StaleOwnerError
from ..persistence.opening import checked_place, open_store
from ..persistence.sharing import is_shared
from ..persistence.store import Store
from .activities import Activities
from .backoff import Backoff
from .checked import checked_app
from .client.client import Client
from .client.gateway import Gateway, LocalGateway
from .clock import Bell, Clock, IdSource, SystemClock, new_id
from .engine.observing import Audience, Observer
from .engine.partition import Partition, ReadyQueue
from .engine.recovery import Recovery
from .engine.restore import Restorer
from .engine.seclusion import refuse_blocking_calls
from .engine.timers import Timers
from .hooks import Hook, Hooks, checked_hooks
from .http_activity import http_activity
from .instruments import Instruments, Telemetry, checked_telemetry
from .lanes import Lane, LaneMaker, ThreadLane, run_in
from .self_check import SelfCheck
from .settings import settings_from
from .sharing.crew import Crew
from .sweeper import Sweeper
from .vitals import Vitals
from .webhooks import Webhook

logger = logging.getLogger("perdure.runtime")

BACKOFF_FIRST, BACKOFF_LONGEST = 0.05, 10.0


@define(kw_only=True)
class Seams:
    """What a simulation replaces: time, ids, the way off the event loop, and who goes next."""

    clock: Clock
    new_id: IdSource
    lane: LaneMaker
    ready: ReadyQueue | None = None


def real_seams() -> Seams:
    """The machine's own."""
    return Seams(clock=SystemClock(), new_id=new_id, lane=ThreadLane)


class Runtime:
    """Runs an App over a store: `async with Runtime(app, store="sqlite:///app.db") as runtime:`.

    `store` is a URL, a path, or a store object; settings are keywords, see `Settings`. `hooks` are
    functions called with each `LifecycleEvent`, and `Webhook`s that it is sent to; `telemetry` is a
    `perdure.telemetry.Telemetry`, which makes spans and metrics; `verify` replays the log after
    every turn and parks whoever is not what it says, for tests and staging. Entering recovers what
    was unfinished. Leaving starts nothing more, waits up to `drain_timeout` for what runs, and
    cancels the rest, which goes on at the next start. Raises `StoreInUseError` when another runtime
    owns the store; a hub in PostgreSQL is run by as many as there are, each its share.
    """

    def __init__(
        self,
        app: App,
        store: str | os.PathLike[str] | Store = "memory://",
        *,
        hooks: Sequence[Hook | Webhook] = (),
        telemetry: Telemetry | None = None,
        verify: bool = False,
        seams: Seams | None = None,
        **settings: Any,
    ) -> None:
        self.app = checked_app(app)
        app.built_in.setdefault(HTTP_ACTIVITY, http_activity(app))
        self.settings = settings_from(settings)
        checked_place(store)
        self._seams = seams
        self._opens: str | os.PathLike[str] | None = None
        self._store: Store | None = None
        if isinstance(store, (str, os.PathLike)):
            self._opens = store
        else:
            self._store = store
        self._client: Client | None = None
        self._group: anyio.abc.TaskGroup | None = None
        self._lanes: list[Lane] = []
        self._observers: list[Observer] = []
        self._given_hooks = checked_hooks(hooks)
        self._telemetry = checked_telemetry(telemetry)
        self._verify = verify
        self._self_check: SelfCheck | None = None
        self._instruments: Instruments | None = None
        self._sweeper: Sweeper | None = None
        self._crew: Crew | None = None
        self._epoch = 0
        self._entered = False
        self._dead = False

    @property
    def client(self) -> Client:
        """The client of this runtime; raises `RuntimeClosedError` outside the `async with`."""
        if self._client is None:
            raise RuntimeClosedError(
                "the runtime is not running; use it inside `async with Runtime(...) as runtime:`"
            )
        return self._client

    @property
    def partition(self) -> Partition:
        """The actors, for tests and tools."""
        return self._partition

    @property
    def activities(self) -> Activities:
        """The activity workers, for tests and tools."""
        return self._activities

    @property
    def timers(self) -> Timers:
        """What is to happen later, for tests and tools."""
        return self._timers

    @property
    def hooks(self) -> Hooks:
        """The lifecycle hooks, with what became of their calls; for tests and tools."""
        return self._hooks

    @property
    def self_check(self) -> SelfCheck | None:
        """What `verify` has compared and found; for tests and tools."""
        return self._self_check

    @property
    def sweeping(self) -> bool:
        """Whether what was kept for long enough is being deleted; for tests and tools."""
        return self._sweeper is not None and self._sweeper.working

    def observe(self, observer: Observer) -> None:
        """Show this observer every turn, from the entering of the runtime on."""
        if self._entered:
            raise RuntimeError("observers are to be there before the runtime is entered")
        self._observers.append(observer)

    def die(self) -> None:
        """Leave without draining or committing anything more, as a killed process would."""
        self._dead = True
        self._partition.fail(RuntimeClosedError("the runtime was told to die"))

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeClosedError("a runtime can be entered once; make another one")
        self._entered = True
        refuse_blocking_calls()
        seams = self._seams if self._seams is not None else real_seams()
        self._lanes = [seams.lane("commit"), seams.lane("load"), seams.lane("query")]
        try:
            store = await self._own()
            self._assemble(store, seams)
            group = anyio.create_task_group()
            await group.__aenter__()
        except BaseException:
            self._let_go()
            raise
        self._group = group
        self._partition.open(group, self._activities)
        self._activities.open(group)
        try:
            await (self._recovery.run() if self._crew is None else self._crew.enter())
        except BaseException as error:
            try:
                await self._end(error)
            finally:
                self._let_go()
            raise
        group.start_soon(self._timers.run)
        group.start_soon(self._live)
        group.start_soon(self._recovery.poll)
        if self._crew is not None:
            group.start_soon(self._crew.run)
        self._hooks.open(group)
        if self._sweeper is not None:
            group.start_soon(self._sweeper.run)
        return self

    async def _own(self) -> Store:
        writer = self._lanes[0]
        if self._store is None:
            assert self._opens is not None  # noqa: S101 - one of both is there
            await run_in(writer, partial(self._open, self._opens))
        store = self._store
        assert store is not None  # noqa: S101 - it was given, or has just been opened
        if is_shared(store):
            self._crew = await run_in(writer, partial(Crew, store, self.settings, self.app))
        else:
            self._epoch = await run_in(writer, store.own)
        return store

    def _open(self, place: str | os.PathLike[str]) -> None:
        # Kept here and not handed over, so that it is closed also when the opener was cancelled.
        self._store = open_store(place, durability=self.settings.durability)

    def _assemble(self, store: Store, seams: Seams) -> None:
        settings = self.settings
        writer, loader, reader, *_ = self._lanes
        self._timers = Timers(seams.clock)
        restorer = Restorer(self.app, settings, seams.new_id)
        crew = self._crew
        self._partition = Partition(
            store,
            settings,
            seams.clock,
            self._timers,
            restorer,
            (writer, loader),
            seams.ready,
            None if crew is None else crew.holdings,
        )
        self._partition.pipeline.epoch = self._epoch
        self._hooks = Hooks(
            self._given_hooks, settings.hook_events_max, self.app.name, seams.clock, seams.new_id
        )
        self._activities = Activities(
            self.app, settings, seams.clock, self._timers, self._partition.report
        )
        gateway = LocalGateway(
            self.app, seams.clock, seams.new_id, store, self._partition, (writer, reader)
        )
        way_in: Gateway = gateway
        if crew is None:
            self._recovery = Recovery(
                store, settings, seams.clock, self._timers, loader, self._partition
            )
        else:
            poster = seams.lane("post")
            self._lanes.append(poster)
            lanes = (writer, loader, reader, poster)
            restorer.found_elsewhere = crew.holdings.code.found_elsewhere
            way_in = crew.join(gateway, self._partition, self._activities, self._timers, lanes)
            self._recovery = crew.recovery
        observers = [*self._observers, self._hooks] if self._hooks.lines else [*self._observers]
        if self._telemetry is not None:
            observers.append(self._instrumented(self._telemetry, seams.clock))
        if self._verify:
            self._self_check = SelfCheck(self.app, store, reader, self._partition)
            observers.append(self._self_check)
        if observers:
            self._partition.audience = Audience(observers)
        if settings.retention is not None:
            self._sweeper = Sweeper(settings.retention, seams.clock, gateway, self._partition)
        self._client = Client(way_in, management=settings.management, telemetry=self._telemetry)
        self._clock = seams.clock

    def _instrumented(self, telemetry: Telemetry, clock: Clock) -> Instruments:
        vitals = Vitals(self._partition, self._activities, self._crew)
        instruments = self._instruments = telemetry.instruments(clock, vitals)
        self._partition.pipeline.instruments = instruments
        self._activities.instruments = instruments
        self._recovery.instruments = instruments
        return instruments

    async def _live(self) -> None:
        """Take turns; when a commit fails, drop memory and recover it from the store."""
        # Who has a store alone meets nobody there, and does the same each time under virtual time.
        luck = None if self._crew is None else SystemRandom().random
        backoff = Backoff(BACKOFF_FIRST, BACKOFF_LONGEST, luck)
        while True:
            commits = self._partition.pipeline.commits
            error: BaseException | None = await self._work()
            if self._partition.pipeline.commits > commits:
                backoff.reset()
            while error is not None:
                self._partition.forget(error)
                self._recovery.forget()
                if self._dead:
                    self._partition.close(RuntimeClosedError("the runtime is dead"))
                    return
                if isinstance(error, StaleOwnerError) and self._crew is None:
                    raise error
                logger.error("memory is dropped and recovered from the store: %s", error)
                if not isinstance(error, ClaimLostError):
                    await self._sleep(backoff.pause())
                error = await self._recover()
            logger.info("memory is recovered from the store, and the work goes on")

    async def _work(self) -> BaseException:
        try:
            await self._partition.run()
        except Exception as bug:
            logger.exception("a bug in the engine")
            return bug
        failure = self._partition.pipeline.failure
        assert failure is not None  # noqa: S101 - the only way for it to return
        return failure

    async def _recover(self) -> Exception | None:
        """Bring everything back, or return why that was impossible."""
        try:
            # What was being written when memory was dropped must have ended before it is read.
            await run_in(self._lanes[0], lambda: None)
            await self._recovery.run()
        except Exception as error:  # noqa: BLE001 - it is tried again
            return error
        return None

    async def _sleep(self, seconds: float) -> None:
        await self._clock.wait(Bell(), self._clock.now() + round(seconds * 1_000_000))

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        try:
            if exc_val is None and not self._dead:
                await self._drain()
        except BaseException as error:
            await self._end(error)
            raise
        else:
            return await self._end(exc_val)
        finally:
            self._client = None
            self._partition.close(RuntimeClosedError("the runtime was left; enter another one"))
            self._hooks.close()
            self._let_go()

    async def _end(self, error: BaseException | None) -> bool | None:
        """Cancel what runs and wait for its end; returns whether that was all that `error` said."""
        group = self._group
        assert group is not None  # noqa: S101 - entered before
        self._activities.close()
        group.cancel_scope.cancel()
        try:
            if error is None:
                return await group.__aexit__(None, None, None)
            if isinstance(error, anyio.get_cancelled_exc_class()):
                return await group.__aexit__(type(error), error, error.__traceback__)
            # What the user's block raised goes out as it is, not in a group of one.
            await group.__aexit__(None, None, None)
        except BaseExceptionGroup as failures:
            if len(failures.exceptions) == 1 and not _heard_already(failures.exceptions[0]):
                raise failures.exceptions[0] from None
            raise
        return False

    async def _drain(self) -> None:
        if self._sweeper is not None:
            self._sweeper.stop()
        with anyio.move_on_after(self.settings.drain_timeout):
            await self._activities.drain()
            await self._partition.settled()
            await self._hooks.drain()
        running = self._activities.running()
        if running:
            logger.warning(
                "drain_timeout has passed; leaving cancels and waits for: %s", ", ".join(running)
            )

    def _let_go(self) -> None:
        if self._instruments is not None:
            self._instruments.close()
        for lane in self._lanes:
            lane.close()
        self._lanes = []
        store = self._store
        if store is None:
            return
        if self._crew is not None:
            self._crew.leave()
        if self._opens is not None:
            store.close()
        else:
            store.disown()

    async def run(self, *, task_status: anyio.abc.TaskStatus[Client] | None = None) -> None:
        """Run until cancelled: `client = await task_group.start(runtime.run)`."""
        async with self:
            if task_status is not None:
                task_status.started(self.client)
            await anyio.sleep_forever()


def _heard_already(error: BaseException) -> bool:
    """Whether asyncio has left its loop with this error, and now cancels all tasks.

    A second time it would give up on that, and the program's threads would never end.
    """
    return isinstance(error, KeyboardInterrupt) and sniffio.current_async_library() == "asyncio"
