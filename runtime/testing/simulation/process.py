"""One life of one simulated process: a runtime on a disk that may outlive it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

import anyio

from perdure.actors.effects import Effects, Parked
from perdure.actors.entity import Entity
from perdure.actors.errors import PerdureError, StoreError
from perdure.actors.orchestration import Orchestration
from perdure.persistence.records import Commit
from perdure.runtime.client.gateway import Gateway
from perdure.runtime.engine.slot import Slot
from perdure.runtime.host import Runtime, Seams

from ..checking.ledger import Step, step_of
from ..virtual_loop import MACHINE, Machine, VirtualLoop
from .clock import MachineClock
from .disk import Commits, DiskView
from .lane import VirtualLane

if TYPE_CHECKING:
    from .world import World

SLOW_COMMIT = 30_000_000


class DisconnectedError(PerdureError):
    """Raised to a simulated client whose connection broke: nobody knows whether it has happened."""


class ChanceQueue:
    """Lets chance choose which ready actor goes next."""

    def __init__(self, below: Callable[[int], int]) -> None:
        self._below = below
        self._ready: list[Slot] = []

    def append(self, slot: Slot, /) -> None:
        """This one has become ready."""
        self._ready.append(slot)

    def popleft(self) -> Slot:
        """One of those that are ready."""
        return self._ready.pop(self._below(len(self._ready)))

    def __len__(self) -> int:
        return len(self._ready)

    def clear(self) -> None:
        """None is ready any more."""
        self._ready.clear()


class Process(Machine, Commits):
    """A runtime, its part of the disk, and the requests that clients have there."""

    def __init__(self, world: "World", number: int) -> None:
        self.number = number
        self.name = f"process {number}"
        self.gateway: Gateway | None = None
        self.context: Context = world.context.copy()
        self.context.run(MACHINE.set, self)
        self.clock = MachineClock(world.loop, world.start)
        self._world = world
        self._view = DiskView(world.disk, self, self)
        self._requests: dict[asyncio.Future[Any], asyncio.Task[Any]] = {}
        self._taken: list[Step] = []
        self._handed: list[Step] = []

    # Its life

    async def live(self) -> None:
        """Run until it is killed, or the runtime gives up."""
        world = self._world
        seams = Seams(
            clock=self.clock, new_id=world.new_id, lane=self._lane, ready=world.ready_queue()
        )
        why = "stops"
        try:
            runtime = Runtime(world.app, self._view.store, seams=seams, **world.settings())
            runtime.observe(self)
            async with runtime:
                self.gateway = runtime.client.gateway
                world.serves(self)
                await anyio.sleep_forever()
        except StoreError as error:
            why = f"gives up: {error}"
        except Exception as bug:  # noqa: BLE001 - what the engine must never raise
            why = f"breaks down: {bug!r}"
            if not self.stopped:
                world.broken.append(f"{self.name} {why}")
        if not self.stopped:
            world.tell(self.name, why)
            self.end(why)

    def end(self, why: str) -> None:
        """Stop here and now, as if killed: nothing of it runs any more."""
        if self.stopped:
            return
        world = self._world
        self._view.cut_off = True
        world.loop.stop_machine(self)
        world.disk.release(self)
        for bridge in self._requests:
            if not bridge.done():
                bridge.set_exception(DisconnectedError(f"{self.name} {why}"))
        world.ended(self)

    def _lane(self, name: str) -> VirtualLane:
        world = self._world
        if name != "commit":
            return VirtualLane(world.loop, lambda: world.choices.delay("store"))
        return CommitLane(world.loop, self)

    def commit_delay(self) -> int:
        """How long a commit takes, or the news of it."""
        world = self._world
        delay = world.choices.delay("commit")
        if world.misfortune.strikes("commit_slow"):
            world.tell(self.name, "has a slow disk")
            delay += world.choices.stream("commit_slow").randint(0, SLOW_COMMIT)
        return delay

    # What goes wrong around its commits

    def submitted(self, work: object) -> None:
        """If this is a commit, it holds all turns up to here."""
        if getattr(work, "func", None) == self._view.commit:
            self._handed, self._taken = self._taken, []

    def recovers(self) -> None:
        """Memory was dropped."""
        self._handed, self._taken = [], []

    def before(self) -> None:
        """Die or fail, and nothing has happened; or lose the disk to another process."""
        world, misfortune = self._world, self._world.misfortune
        if misfortune.strikes("death_before_commit"):
            world.kill(self, "is killed while it writes, and the commit is lost")
            raise StoreError("dead")
        if misfortune.strikes("commit_lost"):
            world.tell(self.name, "cannot commit: nothing is written")
            raise StoreError("the commit failed (simulated)")
        if misfortune.strikes("takeover"):
            world.take_over(self)

    def after(self, commit: Commit, moment: int) -> None:
        """Die or fail when it is durable."""
        world, misfortune = self._world, self._world.misfortune
        steps, self._handed = self._handed, []
        for step in steps:
            step.moment = moment
        world.disk.steps += steps
        if steps:
            world.tell(self.name, "commits", steps)
            world.stir()
        if misfortune.strikes("death_after_commit"):
            world.kill(self, "is killed when the commit is durable, and nobody was told")
            raise StoreError("dead")
        if misfortune.strikes("commit_unheard"):
            world.tell(self.name, "believes that the commit failed, though it is durable")
            raise StoreError("the commit failed, or not (simulated)")

    # What it is observed to do

    def turn_taken(self, actor: Orchestration | Entity, effects: Effects) -> None:
        """Keep it until its commit is durable."""
        step = step_of(actor, effects)
        step.taken_at = self._world.loop.tick()
        self._taken.append(step)

    def actor_parked(self, actor: Orchestration | Entity, parked: Parked) -> None:
        """An actor does not go on, maybe because the engine is wrong."""
        self._world.tell(self.name, f"parks {actor.id} ({parked.reason}): {parked.message}")
        if parked.reason == "engine error":
            self._world.broken.append(f"{actor.id} is parked by {parked.message}")

    # Requests

    async def ask(self, act: Callable[[Gateway], Awaitable[Any]]) -> Any:
        """Let a client's request run here; raises `DisconnectedError` when this process ends."""
        world = self._world
        bridge: asyncio.Future[Any] = world.loop.create_future()
        context = self.context.copy()
        task = world.loop.create_task(self._serve(act, bridge), context=context)
        self._requests[bridge] = task
        try:
            return await bridge
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            del self._requests[bridge]

    async def _serve(
        self, act: Callable[[Gateway], Awaitable[Any]], bridge: "asyncio.Future[Any]"
    ) -> None:
        gateway = self.gateway
        assert gateway is not None  # noqa: S101 - only processes that serve are asked
        try:
            value = await act(gateway)
        except Exception as error:  # noqa: BLE001 - it is the client's
            if not bridge.done():
                bridge.set_exception(error)
        else:
            if not bridge.done():
                bridge.set_result(value)

    def hang_up(self, bridge: "asyncio.Future[Any]") -> None:
        """Break one client's connection."""
        if not bridge.done():
            self._requests[bridge].cancel()
            bridge.set_exception(DisconnectedError("the connection broke"))

    @property
    def connections(self) -> list["asyncio.Future[Any]"]:
        """The requests that are under way, oldest first."""
        return list(self._requests)


class CommitLane(VirtualLane):
    """Where commits are written; it notes which turns each of them holds."""

    def __init__(self, loop: VirtualLoop, process: Process) -> None:
        super().__init__(loop, process.commit_delay)
        self._process = process

    def submit(self, work: Callable[[], Any], done: Any) -> None:
        """Do it after all that came before."""
        self._process.submitted(work)
        super().submit(work, done)
