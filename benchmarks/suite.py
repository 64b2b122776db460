"""The cases that have targets, and whether they meet them.

A target is for a machine whose floor is `REFERENCE_FLOOR` "orchestrations" of three steps in a
second, 100 in flight; on a slower one rates may be lower, and times longer, in the same proportion.
"""

import math
from collections.abc import Callable

from attrs import frozen

from perdure.cli.bench.figures import Beside

from .bench import Sizes

REFERENCE_FLOOR = 20_900.0
"""What docs/performance.md measured while the targets were set."""

Found = dict[str, Beside]
"""What the cases showed on one backend, by title; those that come earlier are there."""


@frozen
class Target:
    """What a case should show."""

    text: str
    actual: Callable[[Beside, Found], float]
    limit: Callable[[Beside, Found], float]
    at_least: bool
    """Otherwise it is the most that is allowed."""
    scales: bool
    """Whether a slow machine has an excuse."""

    def verdict(self, found: Beside, all_found: Found, slowness: float) -> str:
        """In words; `slowness` is above 1 for a machine that is slower than that of the targets."""
        actual, limit = self.actual(found, all_found), self.limit(found, all_found)
        if math.isnan(actual) or math.isnan(limit):
            return "not known"
        # Above 1 is met, whichever way the target goes.
        reached = actual / limit if self.at_least else limit / max(actual, 1e-9)
        if reached >= 1:
            return "met"
        if self.scales and reached * slowness >= 1:
            return "met for this machine's floor"
        return f"**missed** ({reached:.0%})"


@frozen
class Case:
    """A workload in the sizes of its target."""

    title: str
    workload: str
    sizes: Sizes
    targets: tuple[Target, ...] = ()
    floor: Sizes | None = None
    once: bool = False
    """Whether it is too long to be repeated."""


def _rate(per_second: float) -> Target:
    return Target(
        f"{per_second:,.0f}/s",
        lambda found, _: found.middle.per_second,
        lambda _, __: per_second,
        at_least=True,
        scales=True,
    )


def _of_floor(part: float) -> Target:
    return Target(
        f"{part} of the floor",
        lambda found, _: found.ratio,
        lambda _, __: part,
        at_least=True,
        scales=False,
    )


def _commits_and(commits: int, milliseconds: float) -> Target:
    """The median latency against the time of one commit, which is that of a floor of one step."""

    def limit(found: Beside, _: Found) -> float:
        commit = found.floor.p50_ms if found.floor else math.nan
        return commits * commit + milliseconds

    return Target(
        f"p50 ≤ {commits} commit{'s' if commits > 1 else ''} + {milliseconds} ms",
        lambda found, _: found.middle.p50_ms,
        limit,
        at_least=False,
        scales=False,
    )


def _median(milliseconds: float) -> Target:
    return Target(
        f"p50 ≤ {milliseconds:,} ms",
        lambda found, _: found.middle.p50_ms,
        lambda _, __: milliseconds,
        at_least=False,
        scales=True,
    )


def _extra(text: str, key: str, most: float, *, scales: bool) -> Target:
    return Target(
        text,
        lambda found, _: found.middle.extra.get(key, math.nan),
        lambda _, __: most,
        at_least=False,
        scales=scales,
    )


def _no_slower_than(title: str, allowance: float) -> Target:
    return Target(
        "no slower each than 1,000",
        lambda found, _: found.middle.per_second,
        lambda _, known: known[title].middle.per_second / allowance if title in known else math.nan,
        at_least=True,
        scales=False,
    )


_LAST_AS_FIRST = Target(
    "last thousand as fast as the first",
    lambda found, _: found.middle.extra["last_thousand_p50_ms"],
    lambda found, _: found.middle.extra["first_thousand_p50_ms"] * NOISE,
    at_least=False,
    scales=False,
)
_ALL_WITHIN_A_SECOND = Target(
    "all within 1 s",
    lambda found, _: found.middle.p99_ms,
    lambda _, __: 1_000,
    at_least=False,
    scales=True,
)
NOISE = 1.1
"""What counts as the same."""
_ONE_STEP = Sizes(500, 1, 1)

CASES = (
    Case("hello-3, 100 in flight", "hello", Sizes(5_000, 100, 3), (_rate(5_000), _of_floor(0.6))),
    Case("hello-5, 100 in flight", "hello", Sizes(3_000, 100, 5), (_rate(3_000),)),
    Case("hello-3, one at a time", "hello", Sizes(500, 1, 3), (_commits_and(5, 1.0),), _ONE_STEP),
    Case("fan-out of 1,000", "fanout", Sizes(10, 1, 1_000), (_rate(15_000),)),
    Case(
        "fan-out of 10,000",
        "fanout",
        Sizes(1, 1, 10_000),
        (_rate(15_000), _no_slower_than("fan-out of 1,000", NOISE)),
    ),
    Case("signals, 50 senders", "signals", Sizes(20_000, 50, 1), (_rate(25_000),)),
    Case("calls, 50 callers", "calls", Sizes(20_000, 50, 1), (_rate(12_000),)),
    Case("calls, one caller", "calls", Sizes(1_000, 1, 1), (_commits_and(1, 0.3),)),
    Case("transfers, 1,000 accounts", "transfer", Sizes(2_000, 100, 1_000), (_rate(2_000),)),
    Case("sequence of 10,000", "sequence", Sizes(1, 1, 10_000), (_LAST_AS_FIRST,)),
    Case("replay of 10,000", "replay", Sizes(5, 1, 10_000), (_median(150),)),
    Case("timers, three in a row", "timers", Sizes(2_000, 100, 3)),
    Case("events, three in a row", "events", Sizes(2_000, 100, 3)),
    Case("recovery of 2,000", "recovery", Sizes(2_000, 100, 3)),
    Case("restart, 1,000 events raised", "revival", Sizes(1_000, 100, 10), (_ALL_WITHIN_A_SECOND,)),
    Case(
        "starts, 100 at a time",
        "starts",
        Sizes(10_000, 100, 1),
        (_rate(10_000), _extra("6 KB of memory each", "rss_kb_each", 6, scales=False)),
    ),
    Case("import perdure", "importing", Sizes(5, 1, 1), (_median(150),)),
    Case(
        "100,000 sleepers",
        "sleepers",
        Sizes(100_000, 100, 1),
        (
            _median(1_000),
            _extra("150 MB", "rss_mb", 150, scales=False),
            _extra("idle CPU ≤ 0.5 %", "idle_cpu_percent", 0.5, scales=True),
            _extra("late ≤ 50 ms (p99)", "late_p99_ms", 50, scales=True),
        ),
        once=True,
    ),
)
YARDSTICK = CASES[0].title
"""Its floor says how fast the machine is."""


def slowness(found: Found) -> float:
    """How many times slower than that of the targets the machine is; 1 for a faster one."""
    known = found.get(YARDSTICK)
    if known is None or known.floor is None:
        return 1.0
    return max(1.0, REFERENCE_FLOOR / known.floor.per_second)
