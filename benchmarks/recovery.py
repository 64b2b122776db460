"""recovery: orchestrations that died with their runtime in the activity after `steps` others.

The clock runs from the next start until all have ended; a latency is the time from that start
until an orchestration's last activity has run.
"""

import time

import anyio

from perdure import App, OrchestrationContext, Status

from .bench import Bench


class Gate:
    """Holds everybody until it is open, and notes who came when."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        self.expected = 0
        self.all_came = anyio.Event()
        self.open = False

    async def pass_through(self) -> None:
        """Wait, for ever when the gate is closed."""
        self.arrivals.append(time.perf_counter())
        if len(self.arrivals) == self.expected:
            self.all_came.set()
        if not self.open:
            await anyio.sleep_forever()


def program(gate: Gate) -> App:
    """An App that stops at the gate."""
    app = App("recovery")

    @app.activity
    async def step(number: int) -> int:
        return number

    @app.activity
    async def last() -> None:
        await gate.pass_through()

    @app.orchestration(name="interrupted")
    async def interrupted(ctx: OrchestrationContext, steps: int) -> None:
        for number in range(steps):
            await ctx.call_activity(step, number)
        await ctx.call_activity(last)

    return app


async def run(bench: Bench) -> int:
    """Give the number of orchestrations."""
    count, gate = bench.sizes.count, Gate()
    gate.expected = count
    app, settings = program(gate), {"activities_max": count + 1_000}
    async with bench.runtime(app, **settings) as runtime:

        async def one(_: int) -> None:
            await runtime.client.start_new("interrupted", bench.sizes.steps)

        await bench.crowd(one)
        await gate.all_came.wait()
        runtime.die()
    gate.open, gate.all_came, gate.arrivals = True, anyio.Event(), []
    begin = time.perf_counter()
    commits = 0
    with bench.meter.clock(lambda: commits):
        async with bench.runtime(app, **settings) as runtime:
            await gate.all_came.wait()
        commits = runtime.partition.pipeline.commits
    bench.meter.latencies[:] = [arrival - begin for arrival in gate.arrivals]
    async with bench.runtime(app) as runtime:
        ended = (await runtime.client.count()).get(Status.COMPLETED, 0)
        if ended < count:
            raise AssertionError(f"{count - ended} instances have not ended")
    return count
