"""Two workers of one hub, of whom one is killed: how long the other takes to stand in for it.

So many instances wait at the victim: for an event, or for a day. It gets SIGKILL right after a
heartbeat, so that all of its lease has to pass; at once a client, which is a third process, raises
the event to each of its instances, and looks from then on until they have ended.

As a program it is such a worker: it takes the URL of the hub from stdin, and leaves when that ends.
"""

import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count, islice
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import Process
from attrs import frozen

from perdure import App, Client, OrchestrationContext, Runtime, Status, WorkerStatus
from perdure.persistence.partitions import PARTITIONS, partition_of

ROOT = Path(__file__).parents[1]
SENDERS = 1_000
FRESH = 0.1
"""A heartbeat is just over for this part of the time to the next."""
PAUSE = 0.02
PATIENCE = 120.0
"""So many seconds at most anything is waited for."""

app = App("takeover")


@app.orchestration
async def waiting(ctx: OrchestrationContext) -> int:
    """Answers with what it is told."""
    return await ctx.wait_for_external_event("go", int, timeout=timedelta(days=1))


@frozen
class Passed:
    """Seconds since the kill."""

    owned: float
    """Until the other worker owned all partitions."""
    raised: float
    """Until the client had raised all events, which is no work of that worker."""
    answered: float
    """Until all instances had ended."""


@frozen
class Pair:
    """The two, as a client sees them."""

    client: Client
    victim: Process
    heir: Process

    async def even(self) -> bool:
        """Whether each has its half."""
        halves = [len(worker.partitions) for worker in await self._workers()]
        return halves == [PARTITIONS // 2] * 2

    async def of_victim(self) -> WorkerStatus:
        """What the one to be killed has."""
        return next(w for w in await self._workers() if _is(w, self.victim))

    async def beaten(self, heartbeat: float) -> bool:
        """Whether the victim has just told that it lives, and has nothing left to take in."""
        found = await self.of_victim()
        return not found.lag and found.silent_for.total_seconds() < heartbeat * FRESH

    async def inherited(self) -> bool:
        """Whether the other one owns everything."""
        return any(
            _is(worker, self.heir) and len(worker.partitions) == PARTITIONS
            for worker in await self._workers()
        )

    async def are(self, status: Status, instances: int) -> bool:
        """Whether so many are in that state."""
        return (await self.client.count()).get(status) == instances

    async def _workers(self) -> list[WorkerStatus]:
        if self.heir.returncode is not None:
            raise AssertionError(f"the worker {self.heir.pid} has ended by itself, see above")
        return await self.client.workers()


def _is(worker: WorkerStatus, process: Process) -> bool:
    # A worker is called by its host and pid.
    return worker.name.endswith(f" {process.pid}")


async def passed(url: str, heartbeat: float, instances: int) -> Passed:
    """Measure once, on a hub that is new."""
    async with (
        Client(url, app, create=True) as client,
        _worker(url) as victim,
        _worker(url) as heir,
    ):
        pair = Pair(client, victim, heir)
        await _until(pair.even)
        ids = list(islice(_ids_in((await pair.of_victim()).partitions), instances))
        await _in_crowds(instances, lambda n: client.start_new(waiting, instance_id=ids[n]))
        await _until(lambda: pair.are(Status.RUNNING, instances))
        await _until(lambda: pair.beaten(heartbeat))
        found = await _after_the_kill(pair, ids)
        known = await client.get_many(ids)
        if [known[each].output for each in ids] != list(range(instances)):
            raise AssertionError("an event was lost or went astray")
        return found


async def _after_the_kill(pair: Pair, ids: Sequence[str]) -> Passed:
    found: dict[str, float] = {}

    async def note(what: str, over: Awaitable[object]) -> None:
        await over
        found[what] = time.perf_counter() - begin

    async def tell(number: int) -> None:
        await pair.client.instance(ids[number]).raise_event("go", number)

    pair.victim.kill()
    begin = time.perf_counter()
    async with anyio.create_task_group() as group:
        group.start_soon(note, "owned", _until(pair.inherited))
        group.start_soon(note, "raised", _in_crowds(len(ids), tell))
        group.start_soon(note, "answered", _until(lambda: pair.are(Status.COMPLETED, len(ids))))
    return Passed(**found)


def _ids_in(partitions: Sequence[int]) -> Iterator[str]:
    """New ids of instances that fall into these partitions."""
    names = (f"waiting-{number}" for number in count())
    return (name for name in names if partition_of(name, PARTITIONS) in partitions)


async def _in_crowds(times: int, work: Callable[[int], Awaitable[object]]) -> None:
    numbers = iter(range(times))

    async def some() -> None:
        for number in numbers:
            await work(number)

    async with anyio.create_task_group() as group:
        for _ in range(SENDERS):
            group.start_soon(some)


async def _until(reached: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(PATIENCE):
        # Nobody tells a client who has which partitions, nor how many have ended.
        while not await reached():  # noqa: ASYNC110
            await anyio.sleep(PAUSE)


@asynccontextmanager
async def _worker(url: str) -> AsyncGenerator[Process, None]:
    """Run one as a process that Ctrl-C does not reach; it ends with the block, or with this one."""
    process = await anyio.open_process(
        [sys.executable, "-m", "benchmarks.killing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=None,
        cwd=ROOT,
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - asked for above
    try:
        await process.stdin.send(f"{url}\n".encode())
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()


def main() -> None:
    """Be a worker of the hub that the first line of stdin names, until there is no more."""
    url = sys.stdin.readline().strip()

    async def work() -> None:
        async with Runtime(app, store=url):
            await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)

    anyio.run(work)


if __name__ == "__main__":
    main()
