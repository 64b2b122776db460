"""scaleout: what more workers of one hub do together, each a process with clients of its own."""

from collections.abc import Callable, Sequence
from statistics import median

from attrs import asdict, frozen

from perdure.cli.bench.figures import Figures, beside, number

from .alternating import alone
from .bench import Sizes

WORKERS = (1, 2, 4)
CROSSING = 200.0
"""So many transfers a second at least, when accounts and orders are at different workers."""

Tell = Callable[[str], object]


@frozen
class Load:
    """A workload, and how much of it each of the workers does."""

    workload: str
    what: str
    sizes: Sizes


LOADS = (
    Load("hello", "orchestrations of three activities", Sizes(3_000, 100, 3)),
    Load("signals", "signals to 32 entities", Sizes(10_000, 50, 32)),
    Load("transfer", "locked moves between 100 accounts", Sizes(1_000, 50, 100)),
)


@frozen
class Scaled:
    """What so many workers did."""

    what: str
    workers: int
    in_flight: int
    per_second: float
    slowest: float
    fastest: float
    p50_ms: float
    p99_ms: float
    speed_up: float
    """The rate against that of the first number of workers."""
    commits_each: float
    round_trips_each: float
    """How often a process waited for the server, for each thing."""
    cpu_ms_each: float
    """Of the workers, without the server."""
    verdict: str

    def cells(self) -> list[str]:
        """As a line of a table."""
        return [
            self.what,
            str(self.workers),
            number(self.in_flight),
            number(self.per_second),
            f"{number(self.slowest)} to {number(self.fastest)}",
            number(self.p50_ms, 1),
            number(self.p99_ms, 1),
            number(self.speed_up, 2),
            number(self.commits_each, 3),
            number(self.round_trips_each, 2),
            number(self.cpu_ms_each, 2),
            self.verdict,
        ]

    def document(self) -> dict[str, object]:
        """As `--json` shows it."""
        return asdict(self)


HEADINGS = (
    *("what", "workers", "in flight", "per second", "lowest to highest", "p50 ms", "p99 ms"),
    *("speed-up", "commits each", "round trips each", "CPU ms each", "target"),
)


def scaleout(
    store: str,
    tell: Tell,
    *,
    repeat: int = 1,
    workers: Sequence[int] = WORKERS,
    loads: Sequence[Load] = LOADS,
) -> list[Scaled]:
    """Measure each load with each number of workers, in turns, on new hubs of that server."""
    found: list[Scaled] = []
    for load in loads:
        rows: dict[int, list[Figures]] = {size: [] for size in workers}
        for turn in range(1, repeat + 1):
            for size in workers:
                tell(f"{load.workload} on {size} workers, {turn} of {repeat}")
                rows[size].append(alone(load.workload, load.sizes, store, "asyncio", size))
        first = median(row.per_second for row in rows[workers[0]])
        found.extend(_scaled(load, size, rows[size], first) for size in workers)
    return found


def _scaled(load: Load, workers: int, rows: list[Figures], first: float) -> Scaled:
    shown = beside(rows, [])
    row = shown.middle
    return Scaled(
        load.what,
        workers,
        row.concurrency,
        row.per_second,
        shown.slowest,
        shown.fastest,
        row.p50_ms,
        row.p99_ms,
        round(row.per_second / first, 3),
        round(row.commits / row.n, 4),
        row.extra["round_trips_each"],
        round(row.cpu_seconds * 1_000 / row.n, 3),
        _verdict(load, workers, row.per_second),
    )


def _verdict(load: Load, workers: int, per_second: float) -> str:
    if load.workload != "transfer" or workers == 1:
        return ""
    reached = per_second / CROSSING
    how = "met" if reached >= 1 else f"**missed** ({reached:.0%})"
    return f"≥ {CROSSING:,.0f}/s: {how}"
