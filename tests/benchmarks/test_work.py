"""What each thing takes is counted, and may not grow unnoticed."""

from pathlib import Path

import pytest
from attrs import evolve
from benchmarks.counting import COUNTED, Work, counted, weight
from benchmarks.work import RENEW, Baseline, baseline, complaints, renew

from perdure.persistence.records import Commit, TurnRow

WORK = Work(1.0, 10.0, 1_000.0, 500.0, {"actors.kernel": 300.0, "runtime.batch": 200.0})
KNOWN = Baseline({"commits": 1.0, "rows": 10.0, "bytes": 1_000.0}, 500.0, WORK.modules, "3.11")


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.not_verified
def test_a_thing_takes_no_more_than_before(name: str) -> None:
    changed = complaints(name, counted(name), baseline(name))
    assert not changed, "\n".join([*changed, f"If that is meant: {RENEW}"])


def test_counting_twice_gives_the_same() -> None:
    assert counted("transfer") == counted("transfer")


def test_a_little_more_is_no_complaint() -> None:
    assert complaints("hello", evolve(WORK, rows=10.9, calls=549), KNOWN, "3.11") == []


def test_a_complaint_says_what_grew_and_where() -> None:
    modules = {"actors.kernel": 400.0, "runtime.batch": 190.0}
    grown = evolve(WORK, rows=12, calls=590, modules=modules)
    rows, calls = complaints("hello", grown, KNOWN, "3.11")
    assert rows == "hello: rows grew from 10.0 to 12 each (+20%, allowed 10%)"
    change, where = calls.split("; ")
    assert change == "hello: calls grew from 500.0 to 590 each (+18%, allowed 10%)"
    assert where == "most in actors.kernel +100.0, runtime.batch -10.0"


def test_what_was_gained_has_to_be_kept() -> None:
    (text,) = complaints("hello", evolve(WORK, bytes=700), KNOWN, "3.11")
    assert text == "hello: bytes fell from 1,000.0 to 700 each (-30%, allowed 20%)"


def test_another_python_is_allowed_other_calls() -> None:
    assert complaints("hello", evolve(WORK, calls=640), KNOWN, "3.13") == []
    (text,) = complaints("hello", evolve(WORK, calls=660), KNOWN, "3.13")
    assert text.startswith("hello: calls (those of Python 3.11) grew from 500.0 to 660 each (+32%")


def test_renewing_keeps_the_calls_of_other_pythons(tmp_path: Path) -> None:
    place = tmp_path / "work.json"
    renew({"hello": WORK}, place, "3.11")
    renew({"hello": evolve(WORK, rows=7.0, modules={"actors.kernel": 80.0})}, place, "3.13")
    older, newer = (baseline("hello", version, place) for version in ("3.11", "3.14"))
    assert (older.python, older.calls, newer.python, newer.calls) == ("3.11", 500, "3.13", 80)
    assert older.written == newer.written == {"commits": 1, "rows": 7, "bytes": 1_000}


def test_the_weight_of_a_commit_is_its_payload() -> None:
    commit = Commit(1, turns=[TurnRow("ab", 0, 5, "cdé")], replies={"id": "text"})
    numbers, texts = 8 * 3, len("ab") + 4 + len("id") + len("text")
    assert weight(commit) == numbers + texts
