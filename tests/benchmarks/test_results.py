"""The page of results: what is measured for it, and how targets are judged."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from benchmarks.bench import Sizes
from benchmarks.machine import described
from benchmarks.peers import PEER_WORKLOADS, PEERS, Peer, absence
from benchmarks.results import Wish, write
from benchmarks.suite import CASES, Case, slowness
from benchmarks.workloads import WORKLOADS

from perdure.cli.bench.figures import Beside, Figures, beside

ROW = Figures(
    *("hello", "sqlite", "asyncio", 3, 2, 1.0, 6_000.0, 5.5, 900.0, 40.0, 5, 0.5, 24, 20.8),
    bytes_written=1.0,
    bytes_per_event=1.0,
)
FLOOR = evolve(ROW, workload="floor", per_second=10_000.0, p50_ms=1.0)
SHOWN = beside([ROW], [FLOOR])
BY_TITLE = {case.title: case for case in CASES}


def verdicts(title: str, shown: Beside, slow: float = 1.0) -> list[str]:
    found = {title: shown}
    return [target.verdict(shown, found, slow) for target in BY_TITLE[title].targets]


def rated(per_second: float, **changes: Any) -> Beside:
    return beside([evolve(ROW, per_second=per_second, **changes)], [FLOOR])


def test_a_rate_is_met_or_missed() -> None:
    title = "hello-3, 100 in flight"
    assert verdicts(title, rated(6_000)) == ["met", "met"]
    assert verdicts(title, rated(4_000)) == ["**missed** (80%)", "**missed** (67%)"]


def test_a_slow_machine_is_excused_in_proportion() -> None:
    title = "hello-5, 100 in flight"
    assert verdicts(title, rated(2_000), slow=1.6) == ["met for this machine's floor"]
    assert verdicts(title, rated(2_000), slow=1.4) == ["**missed** (67%)"]
    assert slowness({CASES[0].title: SHOWN}) == pytest.approx(2.09)
    assert slowness({}) == 1


@pytest.mark.parametrize(("p50", "verdict"), [(6.0, "met"), (7.5, "**missed** (80%)")])
def test_a_latency_is_held_against_commits(p50: float, verdict: str) -> None:
    assert verdicts("hello-3, one at a time", rated(1, p50_ms=p50)) == [verdict]


def test_a_target_without_a_figure_is_unknown() -> None:
    extra = {"rss_mb": math.nan, "idle_cpu_percent": 0.6}
    shown = rated(1, p50_ms=2_000.0, extra=extra)
    assert verdicts("100,000 sleepers", shown) == [
        "**missed** (50%)",
        "not known",
        "**missed** (83%)",
        "not known",
    ]


def test_a_wider_fan_out_is_held_against_the_narrower() -> None:
    narrow, wide = "fan-out of 1,000", "fan-out of 10,000"
    target = BY_TITLE[wide].targets[1]
    for rate, verdict in ((20_000, "met"), (15_000, "**missed** (82%)")):
        found = {narrow: rated(20_000), wide: rated(rate)}
        assert target.verdict(found[wide], found, 1) == verdict


def test_every_target_of_a_case_can_be_judged() -> None:
    ends = {"first_thousand_p50_ms": 0.4, "last_thousand_p50_ms": 0.4}
    extra = ends | {"rss_kb_each": 5, "rss_mb": 90, "idle_cpu_percent": 0.1, "late_p99_ms": 9}
    shown = rated(50_000, p50_ms=0.5, p99_ms=1.0, extra=extra)
    found = dict.fromkeys(BY_TITLE, shown)
    for case in CASES:
        assert {target.verdict(shown, found, 1) for target in case.targets} <= {"met"}
        assert case.workload in WORKLOADS


def test_the_page_shows_cases_peers_and_machine(tmp_path: Path) -> None:
    file, small = tmp_path / "RESULTS.md", Sizes(5, 2, 1)
    by_hand = next(peer for peer in PEERS if peer.name == "anyio actors")
    calls = evolve(by_hand.workloads[0], sizes=small)
    absent = Peer("nobody", "no_such_module", "it is not there", (calls,))
    cases = [Case("a few", "hello", small, BY_TITLE["hello-5, 100 in flight"].targets)]
    peers = [evolve(by_hand, workloads=(calls,)), absent]
    write(Wish("sqlite", ["asyncio", "trio"], 1, cases, peers, server=None), file)
    page = file.read_text("utf-8")
    assert re.findall(r"^#+ (.+)$", page, re.MULTILINE) == [
        *("Results", "asyncio", "trio", "trio against asyncio", "Peers")
    ]
    assert "- nobody is not installed: pip install '.[bench]'." in page
    assert re.search(r"^\| anyio actors \| calls \| 5 of 1 \| 2 \|", page, re.MULTILINE)
    assert len(re.findall(r"^\| a few \| 2 \|.*3,000/s", page, re.MULTILINE)) == 2
    assert re.search(r"^\| disk \| .*fsync of 4 KiB appended: p50 [0-9.]+ ms", page, re.MULTILINE)


def test_the_machine_tells_what_to_compare() -> None:
    told = described("sqlite")
    assert told["store"].startswith("SQLite 3.")
    assert "synced" in told["durability"]
    assert {"machine", "system", "python", "disk", "versions", "load"} < told.keys()


def test_a_missing_peer_is_named() -> None:
    assert absence(evolve(PEERS[0], module="no_such_module")) == (
        "dbos is not installed: pip install '.[bench]'"
    )
    assert absence(evolve(PEERS[0], module="anyio")) == ""
    assert len(PEER_WORKLOADS) == sum(len(peer.workloads) for peer in PEERS)
