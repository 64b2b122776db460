"""dbos: the same orchestrations by DBOS and by Perdure, in turns on one PostgreSQL server."""

from collections.abc import Callable
from statistics import median

from attrs import asdict, frozen

from perdure.cli.bench.figures import Figures, beside, number

from .alternating import alone
from .bench import Sizes
from .machine import version_of
from .peers import absence, dbos_workflows, named

TIMES = 12.0
"""So many times its rate is the target."""
SIZES = Sizes(1_000, 100, 3)


@frozen
class Contest:
    """The medians, and how they compare."""

    theirs: Figures
    ours: Figures
    ratio: float
    """The median of the ratios of each pair of runs."""
    lowest: float
    highest: float

    @property
    def verdict(self) -> str:
        """Whether the target is met."""
        reached = self.ratio / TIMES
        how = "met" if reached >= 1 else f"**missed** ({reached:.0%})"
        return f"{number(self.ratio, 1)} times DBOS; at least {TIMES:.0f}: {how}"

    def cells(self) -> list[list[str]]:
        """As two lines of a table."""
        rows = (("DBOS", self.theirs), ("Perdure", self.ours))
        return [
            [
                name,
                number(row.n),
                number(row.concurrency),
                number(row.per_second),
                number(row.p50_ms, 1),
                number(row.p99_ms, 1),
                number(row.cpu_seconds * 1_000 / row.n, 2),
            ]
            for name, row in rows
        ]

    def document(self) -> dict[str, object]:
        """As `--json` shows it."""
        return {**asdict(self), "times": TIMES, "met": self.ratio >= TIMES}


HEADINGS = ("hello-3", "n", "in flight", "per second", "p50 ms", "p99 ms", "CPU ms each")


def about() -> str:
    """Which DBOS, and how it is set."""
    return (
        f"DBOS {version_of('dbos')}: async workflows of three steps, LISTEN/NOTIFY, a pool of "
        f"{dbos_workflows.POOL} connections, everything else as it is by default"
    )


def missing() -> str:
    """Why DBOS cannot be measured; empty when it can."""
    return absence(named("dbos"))


def contest(
    store: str, tell: Callable[[str], object], *, repeat: int = 3, sizes: Sizes = SIZES
) -> Contest:
    """Measure both in turns, each in a process of its own."""
    theirs: list[Figures] = []
    ours: list[Figures] = []
    for turn in range(1, repeat + 1):
        tell(f"hello beside DBOS, {turn} of {repeat}")
        theirs.append(alone("dbos:hello", sizes, store, "asyncio"))
        ours.append(alone("hello", sizes, store, "asyncio"))
    ratios = [our.per_second / their.per_second for our, their in zip(ours, theirs, strict=True)]
    return Contest(
        beside(theirs, []).middle,
        beside(ours, []).middle,
        round(median(ratios), 2),
        round(min(ratios), 2),
        round(max(ratios), 2),
    )
