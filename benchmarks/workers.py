"""Processes that measure one workload at the same time, and what they show together."""

from collections.abc import Sequence
from datetime import timedelta
from multiprocessing.synchronize import Barrier

import anyio
import anyio.to_thread
from attrs import evolve, frozen

from perdure import Client
from perdure.cli.bench.figures import Figures, middle, percentile

PATIENCE = 120.0
"""So many seconds at most the processes wait for each other."""
PAUSE = 0.02


@frozen
class Part:
    """What one of the processes has done."""

    figures: Figures
    begun: float
    """By the clock that all processes of a machine share."""
    latencies: Sequence[float]
    """Seconds each."""


@frozen
class Gathering:
    """Where the processes meet: before the clock runs, and before one of them leaves the hub."""

    barrier: Barrier | None = None
    """None for one process, which waits for nobody."""
    sharing: int = 1
    """How many of them share a hub."""

    async def meet(self) -> None:
        """Return when all have come here."""
        if self.barrier is not None:
            await anyio.to_thread.run_sync(self.barrier.wait, PATIENCE)

    async def settle(self, client: Client) -> None:
        """Return when each process has its share of the hub, and all know."""
        with anyio.fail_after(PATIENCE):
            # Nobody tells a client who has which partitions.
            while self.sharing > 1 and not await self._are_even(client):  # noqa: ASYNC110
                await anyio.sleep(PAUSE)
        await self.meet()

    async def _are_even(self, client: Client) -> bool:
        workers = await client.workers()
        if not workers:
            # A store that has one owner is each one's own.
            return True
        alive = [worker for worker in workers if worker.lease_left > timedelta()]
        shares = [len(worker.partitions) for worker in alive]
        return len(alive) >= self.sharing and max(shares) - min(shares) <= 1

    def give_up(self) -> None:
        """Let nobody wait for this process."""
        if self.barrier is not None:
            self.barrier.abort()


def together(parts: Sequence[Part], *, one_log: bool) -> Figures:
    """What they have done, from the moment when the first began until the last was through.

    `one_log` is for a server, whose log grows for all of them: each has counted all of it.
    """
    rows = [part.figures for part in parts]
    n, events = sum(row.n for row in rows), sum(row.events for row in rows)
    begun = min(part.begun for part in parts)
    seconds = max(part.begun + part.figures.seconds for part in parts) - begun
    cpu = sum(row.cpu_seconds for row in rows)
    latencies = sorted(latency for part in parts for latency in part.latencies)
    written = [row.bytes_written for row in rows]
    all_written = max(written) if one_log else sum(written)
    return evolve(
        middle(rows),
        n=n,
        concurrency=sum(row.concurrency for row in rows),
        seconds=round(seconds, 4),
        per_second=round(n / seconds, 1),
        p50_ms=round(percentile(latencies, 0.5) * 1_000, 3),
        p99_ms=round(percentile(latencies, 0.99) * 1_000, 3),
        peak_rss_mb=round(sum(row.peak_rss_mb for row in rows), 1),
        commits=sum(row.commits for row in rows),
        cpu_seconds=round(cpu, 3),
        events=events,
        cpu_us_per_event=round(cpu * 1e6 / events, 2),
        bytes_written=all_written,
        bytes_per_event=round(all_written / events, 1),
    )
