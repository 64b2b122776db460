"""Each workload does what it says, in sizes that only show that it works."""

from pathlib import Path

import anyio
import pytest
from attrs import fields
from benchmarks.bench import Bench, Sizes
from benchmarks.workloads import WORKLOADS

from perdure.cli.bench.figures import Figures
from private_postgres import PrivatePostgres

KEYS = [
    "workload",
    "store",
    "backend",
    "n",
    "concurrency",
    "seconds",
    "per_second",
    "p50_ms",
    "p99_ms",
    "peak_rss_mb",
    "commits",
    "cpu_seconds",
    "events",
    "cpu_us_per_event",
    "bytes_written",
    "bytes_per_event",
    "extra",
]
THINGS_DONE = {
    "floor": 3,
    "hello": 3,
    "fanout": 12,
    "signals": 3,
    "calls": 3,
    "transfer": 3,
    "timers": 12,
    "events": 12,
    "recovery": 3,
    "sequence": 12,
    "replay": 12,
    "sleepers": 3,
    "starts": 3,
    "revival": 3,
}
WITHOUT_COMMITS = {"replay", "sleepers"}


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Name a kind of store, and what is asked for by `--store`."""
    kind: str = request.param
    if kind == "postgres":
        server: PrivatePostgres = request.getfixturevalue("postgres")
        return kind, server.url
    return kind, kind


@pytest.mark.parametrize("name", THINGS_DONE)
async def test_a_workload_measures_what_was_done(
    name: str, place: tuple[str, str], tmp_path: Path
) -> None:
    kind, asked = place
    bench = Bench(Sizes(count=3, concurrency=2, steps=4), asked, tmp_path)
    try:
        with anyio.fail_after(50):
            n = await WORKLOADS[name].run(bench)
    finally:
        bench.close()
    row = bench.figures(name, "here", n, 2)
    assert (row.workload, row.store, row.backend) == (name, kind, "here")
    assert row.n == THINGS_DONE[name]
    assert row.per_second > 0
    assert row.p50_ms <= row.p99_ms
    assert row.events == 2 * n
    assert (row.commits == 0) == (name in WITHOUT_COMMITS)
    if name not in WITHOUT_COMMITS:
        assert (row.bytes_written > 0) == (kind != "memory")


async def test_an_import_is_timed_in_a_process(tmp_path: Path) -> None:
    bench = Bench(Sizes(count=1, concurrency=1, steps=1), "memory", tmp_path)
    assert await WORKLOADS["importing"].run(bench) == 1
    assert 0 < bench.meter.latencies[0] < bench.meter.seconds


def test_every_workload_is_tried_here() -> None:
    assert {*THINGS_DONE, "importing"} == {*WORKLOADS}


def test_a_row_has_the_keys_of_the_contract() -> None:
    assert [field.name for field in fields(Figures)] == KEYS
