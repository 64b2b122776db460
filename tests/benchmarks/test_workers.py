"""Several processes at once: one hub, one span of time, one row of figures."""

import json
import math
import threading
from pathlib import Path

import psycopg
import pytest
from attrs import evolve
from benchmarks import beside_dbos, database, scaleout
from benchmarks.alternating import alone
from benchmarks.bench import Sizes, at_hub, needs_hub, without_hub
from benchmarks.scaleout import Load, Scaled
from benchmarks.server import NoServerError, private_server
from benchmarks.workers import Gathering, Part, together

from perdure.cli.bench.figures import Figures
from private_postgres import PrivatePostgres

ROW = Figures(
    *("hello", "postgres", "asyncio", 3, 2, 1.0, 3.0, 1.5, 2.5, 40.0, 5, 0.5, 24, 20.8),
    bytes_written=100.0,
    bytes_per_event=4.2,
    extra={"round_trips_each": 0.5},
)
FEW = Load("transfer", "moves", Sizes(3, 2, 4))


def test_rates_are_over_the_time_of_all() -> None:
    late = evolve(ROW, seconds=2.0, p99_ms=9.0)
    both = together([Part(ROW, 10.0, [0.001]), Part(late, 11.0, [0.002, 0.003])], one_log=False)
    assert (both.n, both.concurrency, both.seconds, both.per_second) == (6, 4, 3.0, 2.0)
    assert (both.p50_ms, both.p99_ms) == (2.0, 3.0)
    assert (both.commits, both.events, both.bytes_written) == (10, 48, 200)


def test_a_server_counts_its_log_once() -> None:
    parts = [Part(ROW, 0.0, []), Part(ROW, 0.0, [])]
    assert together(parts, one_log=True).bytes_written == 100


async def test_nobody_leaves_before_all_have_come() -> None:
    other = threading.Thread(target=(barrier := threading.Barrier(2)).wait)
    other.start()
    await Gathering(barrier).meet()  # type: ignore[arg-type] # the same, among threads
    other.join()
    await Gathering().meet()


def test_a_url_may_name_no_hub() -> None:
    bare, named = "postgresql://here/db?host=/tmp", "postgresql://here/db?hub=a&host=/tmp"
    assert (needs_hub(bare), needs_hub(named), needs_hub("sqlite")) == (True, False, False)
    assert without_hub(named) == bare
    assert at_hub(named, "b") == "postgresql://here/db?host=/tmp&hub=b"
    assert without_hub("sqlite") == "sqlite"


def hubs(url: str) -> list[str]:
    with psycopg.connect(url) as link:
        found = link.execute(
            "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE 'bench%'"
        ).fetchall()
    return [name for (name,) in found]


def test_workers_share_a_hub_that_goes(postgres: PrivatePostgres) -> None:
    rows = scaleout.scaleout(postgres.url, lambda _: None, workers=(1, 2), loads=[FEW])
    assert [(row.workers, row.in_flight) for row in rows] == [(1, 2), (2, 4)]
    assert rows[0].speed_up == 1
    assert all(row.commits_each > 0 and row.round_trips_each > 0 for row in rows)
    assert rows[0].verdict == ""
    assert rows[1].verdict.startswith("≥ 200/s: ")
    assert hubs(postgres.url) == []


def test_what_looks_inside_gets_a_hub_each(postgres: PrivatePostgres) -> None:
    url = at_hub(postgres.url, "never_made")
    both = alone("sequence", Sizes(1, 1, 5), url, "asyncio", workers=2)
    assert (both.n, hubs(postgres.url)) == (10, [])


def test_a_failure_ends_the_others_too(postgres: PrivatePostgres) -> None:
    with pytest.raises(ExceptionGroup) as failed:
        alone("signals", Sizes(2, 2, 0), postgres.url, "asyncio", workers=2)
    assert failed.group_contains(ZeroDivisionError)
    assert hubs(postgres.url) == []


def test_a_private_server_serves_one_block() -> None:
    with private_server() as url, psycopg.connect(url) as link:
        assert link.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_no_server_is_told_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "none.py"
    program.write_text("raise SystemExit('there is no PostgreSQL here')")
    with pytest.raises(NoServerError, match="there is no PostgreSQL here"), private_server(program):
        pass
    monkeypatch.setattr(database, "private_server", lambda: private_server(program))
    page = database.section(1, lambda _: None)
    assert page == "## PostgreSQL\n\nNot measured: there is no PostgreSQL here."


def test_dbos_is_the_measure_of_hello(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = iter([100.0, 3_000.0, 100.0, 900.0, 100.0, 1_100.0])

    def run(workload: str, *_: object) -> Figures:
        return evolve(ROW, workload=workload, per_second=next(rates))

    monkeypatch.setattr(beside_dbos, "alone", run)
    found = beside_dbos.contest("postgresql://here", lambda _: None)
    assert (found.ratio, found.lowest, found.highest) == (11, 9, 30)
    assert found.verdict == "11.0 times DBOS; at least 12: **missed** (92%)"
    assert [cells[0] for cells in found.cells()] == ["DBOS", "Perdure"]
    assert evolve(found, ratio=12.5).verdict.endswith("at least 12: met")


def test_without_dbos_the_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside_dbos, "missing", lambda: "dbos is not installed")
    with pytest.raises(SystemExit, match="dbos is not installed"):
        database.show_dbos("postgresql://here", 1, lambda _: None, as_json=False)


def test_the_tables_are_printed_or_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Scaled("moves", 1, 2, 1_234.5, 1_000, 2_000, math.nan, 9, 1, 0.5, 1.25, 0.1, "")

    def run(*_: object, **__: object) -> list[Scaled]:
        return [row]

    monkeypatch.setattr(scaleout, "scaleout", run)
    database.show_scaleout("postgresql://here", 1, lambda _: None, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert len({len(line) for line in lines if line}) == 1
    assert "| 1,000 to 2,000    | -      | 9.0 " in lines[2]
    database.show_scaleout("postgresql://here", 1, lambda _: None, as_json=True)
    assert json.loads(capsys.readouterr().out)["per_second"] == 1_234.5
