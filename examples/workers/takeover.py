"""Two workers share a hub in PostgreSQL; one is killed under load, and nothing is lost.

    python examples/workers/takeover.py                 with a PostgreSQL server of its own
    python examples/workers/takeover.py --store URL     in a database of yours, as a new hub

Exit status 0 says that every transfer that was acknowledged has ended, and that all balances are
what these transfers make them.
"""

import argparse
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from itertools import count
from pathlib import Path
from random import Random
from uuid import uuid4

import anyio
import anyio.abc
from anyio.abc import Process
from attrs import Factory, define

from bank import FIRST_BALANCE, Account, Order, app, transfer
from database import NoDatabaseError, private_database
from perdure import Client, Status, StoreError, WorkerStatus

HERE = Path(__file__).parent
ACCOUNTS = [f"account-{number}" for number in range(40)]
PARTITIONS = 32
IN_FLIGHT = 16
KILL_AT = 0.3
LOOK_EVERY = 0.05
TELL_EVERY = 1.0
PATIENCE = 60.0
"""So many seconds anything may take that is waited for."""

Condition = Callable[[], Awaitable[bool]]


class HasFailedError(Exception):
    """Something that should come about has not."""


@define
class Takeover:
    """One run."""

    client: Client
    store: str
    backend: str
    transfers: int
    orders: dict[str, Order] = Factory(dict[str, Order])
    """Those that were acknowledged, by instance id."""
    ended: int = 0
    began: float = Factory(time.monotonic)

    async def run(self) -> bool:
        """Show everything; returns whether all is as it should be."""
        async with self._worker() as first, self._worker() as second:
            await self._until_shared_by([first, second])
            async with anyio.create_task_group() as load:
                numbers = count()
                for _ in range(IN_FLIGHT):
                    load.start_soon(self._keep_transferring, numbers)
                await self._until("the first transfers end", self._is_time_to_kill)
                await self._kill(first, second)
                async with self._worker() as third:
                    await self._until_shared_by([second, third])
                    await self._until("all transfers end", self._is_over)
            return await self._is_right()

    # The workers

    @asynccontextmanager
    async def _worker(self) -> AsyncGenerator[Process]:
        """Run one as a process, which leaves at the end."""
        own = ["--store", self.store, "--backend", self.backend, "--log-level", "error"]
        command = [sys.executable, "-m", "perdure", "run", "bank:app", *own]
        # What it has to say goes to our own stderr.
        process = await anyio.open_process(
            command, cwd=HERE, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=None
        )
        try:
            self._say(f"process {process.pid} is started as a worker")
            yield process
        finally:
            with anyio.CancelScope(shield=True):
                await leave(process)

    async def _until_shared_by(self, processes: list[Process]) -> None:
        """Wait until each has its share, and show it."""
        wanted = {process.pid for process in processes}

        async def shared() -> bool:
            workers = [worker for worker in await self.client.workers() if worker.partitions]
            numbers = [len(worker.partitions) for worker in workers]
            even = sum(numbers) == PARTITIONS and max(numbers) - min(numbers) <= 1
            return even and {pid_of(worker) for worker in workers} == wanted

        await self._until("each worker has its share", shared, processes)
        self._say("they share the hub:")
        await self._show_workers()

    async def _kill(self, victim: Process, survivor: Process) -> None:
        victim.kill()
        await victim.wait()
        killed = time.monotonic()
        self._say(f"process {victim.pid} is killed (SIGKILL) in the midst of its work")
        await self._show_workers()

        async def alone() -> bool:
            sizes = {pid_of(w): len(w.partitions) for w in await self.client.workers()}
            return sizes.get(survivor.pid) == PARTITIONS

        await self._until("the other worker takes over", alone, [survivor])
        passed = time.monotonic() - killed
        self._say(f"process {survivor.pid} has taken over all of it, {passed:.1f} s after the kill")
        await self._show_workers()

    async def _show_workers(self) -> None:
        for worker in await self.client.workers():
            left = worker.lease_left.total_seconds()
            lease = f"lease ends in {left:.1f} s" if left > 0 else "lease has ended"
            held = shown(worker.partitions)
            print(f"          pid {pid_of(worker):<9} {held:<28} {worker.lag:>3} waiting   {lease}")

    # The load

    async def _keep_transferring(self, numbers: "count[int]") -> None:
        """One transfer after the other, each known to be durable before it is counted."""
        for number in numbers:
            if number >= self.transfers:
                return
            chosen = Random(number)  # noqa: S311 - the same story every time
            source, target = chosen.sample(ACCOUNTS, 2)
            order = Order(source, target, chosen.randint(1, 60))
            instance = await self.client.start_new(
                transfer, order, instance_id=f"transfer-{number}"
            )
            self.orders[instance.instance_id] = order
            await self.client.wait_for_completion(instance.instance_id)
            self.ended += 1

    async def _is_time_to_kill(self) -> bool:
        return self.ended >= KILL_AT * self.transfers

    async def _is_over(self) -> bool:
        return self.ended == self.transfers

    # What has come of it

    async def _is_right(self) -> bool:
        found = await self.client.get_many(self.orders)
        statuses = Counter(status.runtime_status.label for status in found.values())
        told = ", ".join(f"{number} {label}" for label, number in statuses.items())
        self._say(f"{len(self.orders)} transfers were acknowledged: {told}")
        expected = dict.fromkeys(ACCOUNTS, FIRST_BALANCE)
        for instance_id, order in self.orders.items():
            if instance_id in found and found[instance_id].output is True:
                expected[order.source] -= order.amount
                expected[order.target] += order.amount
        balances = {name: await self._balance(name) for name in ACCOUNTS}
        wrong = [name for name in ACCOUNTS if balances[name] != expected[name]]
        total = sum(balances.values())
        self._say(f"{len(ACCOUNTS)} accounts hold {total} in all, {len(wrong)} of them wrongly")
        return statuses == {Status.COMPLETED.label: self.transfers} and not wrong

    async def _balance(self, name: str) -> int:
        account = await self.client.entity(Account, name).read()
        return FIRST_BALANCE if account is None else account.balance

    async def _until(
        self, what: str, reached: Condition, processes: Sequence[Process] = ()
    ) -> None:
        """Look until it is so, and tell how far the load has come meanwhile."""
        last, until = time.monotonic(), time.monotonic() + PATIENCE
        while not await reached():
            if time.monotonic() > until:
                raise HasFailedError(f"{what}: that has not come about in {PATIENCE:g} s")
            for process in processes:
                if process.returncode is not None:
                    raise HasFailedError(f"the worker {process.pid} has ended by itself, see above")
            if time.monotonic() > last + TELL_EVERY:
                last = time.monotonic()
                self._tell_load()
            await anyio.sleep(LOOK_EVERY)

    def _tell_load(self) -> None:
        if self.orders:
            self._say(f"{self.ended} of {self.transfers} transfers have ended")

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)


def pid_of(worker: WorkerStatus) -> int:
    """The process of a worker on this machine, by the end of its name."""
    return int(worker.name.split()[-1])


def shown(partitions: list[int]) -> str:
    """How many there are, and the first of them."""
    some = ", ".join(map(str, partitions[:3]))
    return f"{len(partitions)} partitions: {some}, …" if partitions else "no partitions"


async def leave(process: Process) -> None:
    """Let a worker end as an operator does, or at the latest after some seconds."""
    if process.returncode is None:
        process.terminate()
    with anyio.move_on_after(10):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


async def show(store: str, backend: str, transfers: int) -> bool | None:
    """Run it, or return None when told to end."""
    right: bool | None = None
    async with anyio.create_task_group() as group:
        await group.start(heed_signals, group.cancel_scope)
        async with Client(store, app, create=True) as client:
            right = await Takeover(client, store, backend, transfers).run()
        group.cancel_scope.cancel()
    return right


async def heed_signals(
    scope: anyio.CancelScope, *, task_status: anyio.abc.TaskStatus[None]
) -> None:
    """Cancel everything at SIGINT and SIGTERM, so that no worker stays behind."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--store", help="a database: postgresql://user@host/database")
    parser.add_argument("--transfers", type=int, default=400, help="how many (%(default)s)")
    parser.add_argument("--lease", type=float, default=3, help="of a worker (%(default)s s)")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    if given.transfers < 1:
        parser.error("--transfers takes a number from 1 on")
    return given


def main() -> int:
    given = read_arguments()
    with nullcontext(given.store) if given.store else private_database() as database:
        hub = f"takeover_{uuid4().hex[:8]}"
        settings = f"hub={hub}&partitions={PARTITIONS}"
        timing = f"lease={given.lease}&heartbeat={given.lease / 6:g}"
        store = f"{database}{'&' if '?' in database else '?'}{settings}&{timing}"
        right = anyio.run(show, store, given.backend, given.transfers, backend=given.backend)
    if given.store:
        print(f"the hub stays in the schema {hub}, until you DROP SCHEMA {hub} CASCADE")
    if right is None:
        print("takeover: interrupted", file=sys.stderr)
        return 130
    print("all is as it should be" if right else "THAT IS WRONG")
    return 0 if right else 1


def explained() -> int:
    """Do it, and say in one line why it could not be done."""
    try:
        return main()
    except* (NoDatabaseError, HasFailedError, StoreError) as errors:
        error: BaseException = errors
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        print(f"takeover: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(explained())
