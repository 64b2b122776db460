"""importing: how long `import perdure` takes in a new process, `count` times."""

import sys

import anyio

from .bench import Bench

CODE = "import time; t = time.perf_counter(); import perdure; print(time.perf_counter() - t)"


async def run(bench: Bench) -> int:
    """Give the number of imports."""
    latencies: list[float] = []

    async def one(_: int) -> None:
        done = await anyio.run_process([sys.executable, "-c", CODE])
        latencies.append(float(done.stdout))

    with bench.meter.clock(lambda: 0):
        await bench.crowd(one)
    bench.meter.latencies[:] = latencies
    return bench.sizes.count
