"""What a measurement shows: its figures, and the columns in which tables show them."""

import math
from collections.abc import Callable
from statistics import median
from typing import Any

from attrs import Factory, asdict, evolve, fields, frozen


@frozen
class Figures:
    """What one measurement showed; the fields are the keys of `--json`."""

    workload: str
    store: str
    backend: str
    n: int
    """How many things were done, of the kind that the workload counts."""
    concurrency: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    peak_rss_mb: float
    """Of the process up to here."""
    commits: int
    cpu_seconds: float
    """User and system time of all threads."""
    events: int
    """Events that entered histories, and messages that entities took or sent."""
    cpu_us_per_event: float
    bytes_written: float
    """To files, or to the log of the database server; NaN where nobody counts them."""
    bytes_per_event: float
    extra: dict[str, float] = Factory(dict[str, float])
    """What only this workload shows; the unit is last in the name."""

    def document(self) -> dict[str, Any]:
        """What `--json` shows; what is not known is null."""
        return {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(self).items()
        }


@frozen
class Beside:
    """Measurements of one workload, each taken right after one of the floor."""

    middle: Figures
    """The median of each figure."""
    slowest: float
    """The lowest rate, per second."""
    fastest: float
    repeat: int
    floor: Figures | None
    """The median of each figure; None where a floor says nothing."""
    ratio: float
    """The median of the rates' ratios to the floors before them; NaN without floors."""

    def document(self) -> dict[str, Any]:
        """What `--json` shows."""
        return self.middle.document() | {
            "repeat": self.repeat,
            "per_second_min": self.slowest,
            "per_second_max": self.fastest,
            "floor_per_second": self.floor.per_second if self.floor else None,
            "floor_ratio": None if math.isnan(self.ratio) else self.ratio,
        }


def beside(rows: list[Figures], floors: list[Figures]) -> Beside:
    """Put measurements beside the floors that ran before them; there may be no floors."""
    rates = [row.per_second for row in rows]
    ratios = [row.per_second / floor.per_second for row, floor in zip(rows, floors, strict=False)]
    return Beside(
        middle(rows),
        min(rates),
        max(rates),
        len(rows),
        middle(floors) if floors else None,
        round(median(ratios), 3) if ratios else math.nan,
    )


def middle(rows: list[Figures]) -> Figures:
    """The median of each figure; of two in the middle the lower, so that whole numbers stay so."""
    changes: dict[str, Any] = {}
    for field in fields(Figures):
        values = [getattr(row, field.name) for row in rows]
        if isinstance(values[0], (int, float)):
            changes[field.name] = percentile(values, 0.5)
    changes["extra"] = {
        key: percentile([row.extra[key] for row in rows if key in row.extra], 0.5)
        for key in rows[0].extra
    }
    return evolve(rows[0], **changes)


def percentile(values: list[float], part: float) -> float:
    """The value below or at which that part of all values lies; NaN of nothing."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


# Tables


@frozen
class Column:
    """A column of a table of figures."""

    heading: str
    text: Callable[[Figures], str]
    words: bool = False
    """Whether it shows words, which stand at the left."""


def number(value: float, digits: int = 0) -> str:
    """A number as tables show it."""
    return "-" if math.isnan(value) else f"{value:,.{digits}f}"


COLUMNS = (
    Column("workload", lambda row: row.workload, words=True),
    Column("store", lambda row: row.store, words=True),
    Column("backend", lambda row: row.backend, words=True),
    Column("n", lambda row: number(row.n)),
    Column("in flight", lambda row: number(row.concurrency)),
    Column("per second", lambda row: number(row.per_second)),
    Column("p50 ms", lambda row: number(row.p50_ms, 2)),
    Column("p99 ms", lambda row: number(row.p99_ms, 2)),
    Column("CPU µs/event", lambda row: number(row.cpu_us_per_event, 1)),
    Column("commits", lambda row: number(row.commits)),
    Column("bytes/event", lambda row: number(row.bytes_per_event)),
    Column("peak MB", lambda row: number(row.peak_rss_mb)),
)


def extras(row: Figures) -> str:
    """What only this workload shows, in words."""
    return ", ".join(f"{key} {number(value, 2)}" for key, value in row.extra.items())
