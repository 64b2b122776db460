"""floor: the durable steps of `hello` written by hand, which is the limit to compare with."""

from perdure.cli.bench.floor import opening_of, run_floor

from .bench import Bench


async def run(bench: Bench) -> int:
    """Give the number of "orchestrations"."""
    sizes = bench.sizes
    await run_floor(
        bench.meter,
        opening_of(bench.url),
        count=sizes.count,
        concurrency=sizes.concurrency,
        steps=sizes.steps,
    )
    return sizes.count
