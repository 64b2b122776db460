"""importing: how long `import perdure` takes in a new process, `count` times.

One import before them writes the bytecode, if it is not there yet, as an installation does.
"""

import os
import sys

import anyio

from .bench import Bench

CODE = "import time; t = time.perf_counter(); import perdure; print(time.perf_counter() - t)"


async def run(bench: Bench) -> int:
    """Give the number of imports."""
    latencies: list[float] = []

    async def one(_: int) -> None:
        latencies.append(await seconds())

    await seconds()
    with bench.meter.clock(lambda: 0):
        await bench.crowd(one)
    bench.meter.latencies[:] = latencies
    return bench.sizes.count


async def seconds() -> float:
    """How long one import takes."""
    unwritten = "PYTHONDONTWRITEBYTECODE"
    env = {name: value for name, value in os.environ.items() if name != unwritten}
    return float((await anyio.run_process([sys.executable, "-c", CODE], env=env)).stdout)
