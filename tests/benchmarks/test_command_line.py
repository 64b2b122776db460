"""`python -m benchmarks`: what it prints, and how it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import fields
from benchmarks.__main__ import main

from perdure.cli.bench.figures import COLUMNS, Figures

ROOT = Path(__file__).parents[2]
KEYS = [field.name for field in fields(Figures)]
BESIDE_KEYS = ["repeat", "per_second_min", "per_second_max", "floor_per_second", "floor_ratio"]


def bench(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout


def test_json_lines_have_one_object_per_workload() -> None:
    printed = bench(
        "hello", "floor", "--json", "--count=3", "--concurrency=2", "--steps=1", "--backend=trio"
    )
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [row["workload"] for row in rows] == ["hello", "floor"]
    assert all(list(row) == KEYS for row in rows)
    assert {(row["n"], row["concurrency"], row["backend"]) for row in rows} == {(3, 2, "trio")}


def test_the_table_has_a_heading_and_lines(tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path / 'kept.db'}"
    heading, line = bench("calls", "--count=2", "--store", place).splitlines()
    assert heading.split() == " ".join(column.heading for column in COLUMNS).split()
    assert line.split()[:5] == ["calls", place, "asyncio", "2", "50"]
    assert (tmp_path / "kept.db").exists()


def test_repeating_shows_medians_beside_the_floor() -> None:
    (line,) = bench("hello", "--repeat=2", "--count=3", "--concurrency=2", "--json").splitlines()
    row = json.loads(line)
    assert list(row) == [*KEYS, *BESIDE_KEYS]
    assert row["repeat"] == 2
    assert row["per_second_min"] <= row["per_second"] <= row["per_second_max"]
    assert row["floor_ratio"] > 0


def test_workers_share_what_they_show() -> None:
    (line,) = bench("hello", "--count=2", "--workers=2", "--json").splitlines()
    row = json.loads(line)
    assert (row["n"], row["events"]) == (4, 32)


def test_uvloop_is_a_backend_of_its_own() -> None:
    (line,) = bench("hello", "--count=1", "--backend=asyncio+uvloop", "--json").splitlines()
    assert json.loads(line)["backend"] == "asyncio+uvloop"


def test_a_peer_that_is_absent_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nowhere(_: str) -> None:
        return None

    monkeypatch.setattr("benchmarks.peers.find_spec", nowhere)
    with pytest.raises(SystemExit):
        main(["pykka:calls"])
    assert "pykka is not installed: pip install '.[bench]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("signalled", "status"), [(KeyboardInterrupt, 130), (BrokenPipeError, 141)]
)
def test_nobody_gets_a_traceback_in_the_end(signalled: type[BaseException], status: int) -> None:
    program = f"""
from benchmarks.ending import ending
with ending():
    raise {signalled.__name__}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["goodbye"], "there is no workload 'goodbye', only floor, hello"),
        (["hello", "--count=0"], "'0' is not a whole number above 0"),
        (["hello", "--steps=many"], "'many' is not a whole number above 0"),
        (["--store=redis://here"], "'redis://here' is not memory, sqlite, sqlite:///"),
        (["--repeat=0"], "'0' is not a whole number above 0"),
        (["--backend=curio"], "there is no backend 'curio', only asyncio"),
        (["--store=sqlite:///a.db", "--workers=2"], "one process at a time runs a file"),
        (["--results=here.md", "--count=9"], "--results has its own sizes and shape"),
        (["scaleout", "hello"], "scaleout, dbos, takeover are measured alone"),
        (["takeover", "--count=9"], "takeover has its own sizes and shape: leave the others out"),
        (["dbos", "--count=9"], "dbos has its own sizes and shape: leave the others out"),
        (["dbos", "--backend=trio"], "dbos is measured on asyncio: leave --backend out"),
        (["floor", "--results=here.md"], "floor has no place in --results: leave it out"),
        (["--results=/nowhere/here.md"], "/nowhere/here.md cannot be written: name a file"),
        (["floor", "--store=sqlite:////nowhere/a.db"], "/nowhere/a.db: it cannot be opened"),
        (["floor", "--store=postgresql://localhost:1/a"], "localhost:1/a: cannot connect"),
        (["--speed=9"], "unrecognized arguments: --speed=9"),
    ],
)
def test_a_bad_option_is_named(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert complaint in capsys.readouterr().err
