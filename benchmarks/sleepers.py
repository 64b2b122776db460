"""sleepers: the start of a runtime over `count` orchestrations that sleep until tomorrow.

Another process has put them to sleep, so that the memory shown is that of a start. Then the
runtime idles for a while, and a tenth as many timers fire, 5,000 in a second: how late they are is
seen by the orchestrations that wait for them.
"""

import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from perdure import App, OrchestrationContext, Runtime
from perdure.cli.bench.figures import percentile
from perdure.cli.bench.meter import rss_bytes

from .bench import Bench

ROOT = Path(__file__).parents[1]
IDLE_SECONDS_EACH = 20e-6
"""Two seconds for 100,000."""
TIMER_GAP = 200
"""Microseconds."""
PAUSE = 0.005


def program(late: list[float]) -> App:
    """An App of sleepers, and of risers that note how many microseconds too late they wake."""
    app = App("sleepers")

    @app.orchestration(name="sleeper")
    async def sleeper(ctx: OrchestrationContext) -> None:
        await ctx.create_timer(timedelta(days=1))

    @app.orchestration(name="riser")
    async def riser(ctx: OrchestrationContext, due: int) -> None:
        await ctx.create_timer(datetime.fromtimestamp(due / 1e6, UTC))
        late.append(time.time_ns() / 1_000 - due)  # noqa: PER101, PER115 - it is the measurement

    return app


async def run(bench: Bench) -> int:
    """Give the number of sleeping orchestrations."""
    count, extra = bench.sizes.count, bench.meter.extra
    late: list[float] = []
    app = program(late)
    if bench.kind == "memory":
        await _put_to_sleep(bench.runtime(app), count)
    else:
        order = [bench.url, str(count)]
        command = [sys.executable, "-m", "benchmarks.sleepers"]
        await anyio.run_process(command, input="\n".join(order).encode(), cwd=ROOT, stderr=None)
    async with AsyncExitStack() as stack:
        runtime = bench.runtime(app)
        with bench.meter.clock(lambda: 0):
            await stack.enter_async_context(runtime)
        bench.meter.latencies[:] = [bench.meter.seconds]
        extra["rss_mb"] = round(rss_bytes() / 1e6, 1)
        extra["idle_cpu_percent"] = await _idle(count * IDLE_SECONDS_EACH)
        await _fire(runtime, late, max(1, count // 10))
        extra["late_p50_ms"] = round(percentile(late, 0.5) / 1_000, 2)
        extra["late_p99_ms"] = round(percentile(late, 0.99) / 1_000, 2)
    return count


async def _idle(seconds: float) -> float:
    """Give the CPU time in percent of the time that passed."""
    begin, cpu = time.perf_counter(), time.process_time()
    await anyio.sleep(seconds)
    used = time.process_time() - cpu
    return round(100 * used / (time.perf_counter() - begin), 2)


async def _fire(runtime: Runtime, late: list[float], timers: int) -> None:
    # All are set before the first is due, unless this machine starts fewer than 1,000 in a second.
    first = time.time_ns() // 1_000 + 50_000 + timers * 1_000
    numbers = iter(range(timers))

    async def start_some() -> None:
        for number in numbers:
            await runtime.client.start_new("riser", first + number * TIMER_GAP)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(start_some)
    # Orchestrator code cannot wake anybody outside.
    while len(late) < timers:  # noqa: ASYNC110
        await anyio.sleep(PAUSE)


async def _put_to_sleep(runtime: Runtime, count: int) -> None:
    numbers = iter(range(count))

    async def start_some() -> None:
        for _ in numbers:
            await runtime.client.start_new("sleeper")

    async with runtime, anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(start_some)


def main() -> None:
    """Put so many to sleep as the second line of stdin says, in the store of the first."""
    url, count = sys.stdin.read().splitlines()

    async def put_to_sleep() -> None:
        await _put_to_sleep(Runtime(program([]), url), int(count))

    anyio.run(put_to_sleep)


if __name__ == "__main__":
    main()
