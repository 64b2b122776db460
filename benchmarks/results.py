"""`python -m benchmarks --results FILE`: all cases on all backends, as a page of Markdown."""

import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from perdure.cli.bench.figures import Beside, Figures, beside, extras, number

from . import database
from .alternating import alone, alternating, task
from .machine import described, load_now, version_of
from .peers import PEERS, Peer, absence
from .suite import CASES, REFERENCE_FLOOR, Case, Found, slowness

HEADINGS = (
    *("case", "in flight", "per second", "lowest to highest", "of floor", "p50 ms", "p99 ms"),
    *("CPU µs/event", "commits", "bytes/event", "peak MB", "also", "target", "verdict"),
)
TRIO_FACTOR = 2.0
HEAD = """\
# Results

Written by `make bench`; docs/performance.md explains. Each figure is the median of {repeat}
measurements, each in a process of its own and right after one of the floor: as many durable steps
by hand, with as many in flight. A target is for a machine whose floor is {reference}/s in the first
case; on a slower one rates may be lower, and times longer, in the same proportion.

| what | |
|---|---|
{told}
"""


@frozen
class Wish:
    """What shall be on the page."""

    store: str
    backends: Sequence[str]
    repeat: int
    cases: Sequence[Case] = CASES
    peers: Sequence[Peer] = PEERS
    server: str | None = ""
    """Of PostgreSQL, or empty for a private one; None leaves that part out."""


class Ticker:
    """Says on stderr what is measured, and how long it has taken so far."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._begin = time.perf_counter()

    def case(self, title: str) -> None:
        """The next one begins."""
        self._done += 1
        passed = round(time.perf_counter() - self._begin)
        sys.stderr.write(f"[{self._done}/{self._total}, {passed} s] {title}\n")
        sys.stderr.flush()


def results(wish: Wish) -> str:
    """Measure everything; gives the page."""
    place = described(wish.store)
    begin = datetime.now(UTC)
    there = [peer for peer in wish.peers if not absence(peer)]
    total = len(wish.cases) * len(wish.backends) + sum(len(peer.workloads) for peer in there)
    if wish.server is not None:
        total += database.measurements(wish.repeat)
    tick = Ticker(total)
    found = {backend: _measured(wish, backend, tick) for backend in wish.backends}
    peers = [(peer, _peer_rows(peer, wish.repeat, tick)) for peer in there]
    server = [] if wish.server is None else [database.section(wish.repeat, tick.case, wish.server)]
    minutes = (datetime.now(UTC) - begin).total_seconds() / 60
    place["measured"] = f"{begin:%Y-%m-%d %H:%M} UTC, in {minutes:.0f} minutes"
    place["load at the end"] = load_now()
    parts = [_head(place, wish), *(_backend(wish, name, found[name]) for name in wish.backends)]
    if {"asyncio", "trio"} <= found.keys():
        parts.append(_trio(found["asyncio"], found["trio"]))
    parts += server
    parts.append(_peers(peers, [peer for peer in wish.peers if absence(peer)]))
    return "\n".join(parts)


def write(wish: Wish, file: Path) -> None:
    """Measure everything; the file has the page when all is over, and not before."""
    page = results(wish)
    file.write_text(page, "utf-8")
    sys.stderr.write(f"{file} is written\n")


def _measured(wish: Wish, backend: str, tick: Ticker) -> Found:
    found: Found = {}
    for case in wish.cases:
        tick.case(f"{case.title}, {backend}")
        wanted = task(case.workload, case.sizes, wish.store, backend, case.floor)
        found[case.title] = alternating(wanted, 1 if case.once else wish.repeat, lambda _: None)
    return found


def _peer_rows(peer: Peer, repeat: int, tick: Ticker) -> list[tuple[Beside, Beside]]:
    """What it showed, and what we did beside it."""
    rows: list[tuple[Beside, Beside]] = []
    for each in peer.workloads:
        tick.case(f"{each.ours}, {peer.name}")
        theirs: list[Figures] = []
        ours: list[Figures] = []
        for _ in range(min(repeat, 3)):
            ours.append(alone(each.ours, each.sizes, each.store, "asyncio"))
            theirs.append(alone(peer.key(each), each.sizes, each.store, "asyncio"))
        rows.append((beside(theirs, []), beside(ours, [])))
    return rows


# The page


def _head(place: dict[str, str], wish: Wish) -> str:
    told = "\n".join(f"| {what} | {text} |" for what, text in place.items())
    return HEAD.format(repeat=wish.repeat, reference=f"{REFERENCE_FLOOR:,.0f}", told=told)


def _backend(wish: Wish, backend: str, found: Found) -> str:
    slow = slowness(found)
    speed = "" if slow == 1 else f"\nThis machine's floor is {slow:.2f} times slower.\n"
    rows = [_case(case, found, slow) for case in wish.cases]
    return f"## {backend}\n{speed}\n{_table(HEADINGS, rows)}"


def _case(case: Case, found: Found, slow: float) -> list[str]:
    shown = found[case.title]
    row = shown.middle
    return [
        case.title,
        number(row.concurrency),
        number(row.per_second),
        f"{number(shown.slowest)} to {number(shown.fastest)}",
        number(shown.ratio, 2),
        number(row.p50_ms, 2),
        number(row.p99_ms, 2),
        number(row.cpu_us_per_event, 1),
        number(row.commits),
        number(row.bytes_per_event),
        number(row.peak_rss_mb),
        extras(row),
        "; ".join(target.text for target in case.targets),
        "; ".join(target.verdict(shown, found, slow) for target in case.targets),
    ]


def _trio(asyncio: Found, trio: Found) -> str:
    rows = [
        [
            title,
            number(asyncio[title].middle.per_second),
            number(row.middle.per_second),
            _within(asyncio[title].middle.per_second / row.middle.per_second),
        ]
        for title, row in trio.items()
    ]
    headings = ("case", "asyncio, per second", "trio, per second", "within a factor of 2")
    return f"## trio against asyncio\n\n{_table(headings, rows)}"


def _within(factor: float) -> str:
    return f"met ({factor:.2f})" if factor <= TRIO_FACTOR else f"**missed** ({factor:.2f})"


def _peers(measured: list[tuple[Peer, list[tuple[Beside, Beside]]]], absent: list[Peer]) -> str:
    rows = [
        [
            peer.name,
            comparison.ours,
            f"{comparison.sizes.count} of {comparison.sizes.steps}",
            number(comparison.sizes.concurrency),
            number(theirs.middle.per_second),
            number(ours.middle.per_second),
            number(ours.middle.per_second / theirs.middle.per_second, 1),
            number(theirs.middle.p50_ms, 2),
            number(ours.middle.p50_ms, 2),
        ]
        for peer, pairs in measured
        for comparison, (theirs, ours) in zip(peer.workloads, pairs, strict=True)
    ]
    headings = (
        *("peer", "workload", "count of steps", "in flight", "its rate", "ours", "ours / its"),
        *("its p50 ms", "our p50 ms"),
    )
    about = "\n".join(
        f"- {peer.name} {version_of(peer.module)}: {peer.about}." for peer, _ in measured
    )
    missing = "\n".join(f"- {absence(peer)}." for peer in absent)
    return f"## Peers\n\n{about}\n{missing}\n\n{_table(headings, rows)}".replace("\n\n\n", "\n\n")


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(headings)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
