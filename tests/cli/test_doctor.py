"""`perdure doctor`: each thing that can be wrong, and its fix."""

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from perdure import Status
from perdure.persistence.contract.rows import FIRST, Owner, entity, instance, message, turn
from perdure.persistence.records import TimerRow
from perdure.persistence.sqlite import SQLiteStore

CHECKS = [
    "file", "disk", "schema", "integrity", "checksums", "contents",
    "owner", "parked", "overdue", "locks", "logs", "replies",
]  # fmt: skip
KEYS = ["check", "level", "message", "fix"]


def findings(perdure: Any, code: int) -> dict[str, Any]:
    actual, out, errors = perdure.run("doctor", "--json")
    assert actual == code, errors
    lines = [json.loads(line) for line in out.splitlines()]
    assert all([*line] == KEYS for line in lines)
    return {line["check"]: line for line in lines}


def commit(path: Path, **sections: Any) -> None:
    owner = Owner(SQLiteStore(path))
    owner.commit(**sections)
    owner.store.close()


def test_a_healthy_live_store_passes_every_check(perdure: Any, hub: Any) -> None:
    perdure("start", "hello", "[]", "--wait")
    found = findings(perdure, 0)
    assert [*found] == CHECKS
    assert {line["level"] for line in found.values()} == {"ok"}
    assert f"pid {os.getpid()} runs it" in found["owner"]["message"]
    assert "1 orchestrations (1 Completed)" in found["contents"]["message"]
    assert perdure("doctor").splitlines()[0].startswith("✓ file")


def test_work_that_nobody_does_is_noted(perdure: Any, path: Path) -> None:
    late = TimerRow("x", 1, FIRST, 1)
    commit(path, instances={"x": instance("x")}, timers_set=[late], sent=[message("x", 1)])
    found = findings(perdure, 0)
    assert found["owner"]["level"] == found["overdue"]["level"] == "note"
    assert "1 instances and 1 messages wait" in found["owner"]["message"]
    assert "perdure run app:app" in perdure("doctor")


def test_parked_instances_are_a_problem(perdure: Any, hub: Any) -> None:
    perdure.run("start", "unknown", "--id", "x", "--wait")
    found = findings(perdure, 1)
    assert found["parked"]["message"] == "1: x (missing definition)"
    assert "`perdure why ID`" in found["parked"]["fix"]


def test_stuck_locks_are_a_problem(perdure: Any, path: Path) -> None:
    locks = {f"@c@{holder}": entity(f"@c@{holder}", locked_by=holder) for holder in ("a", "gone")}
    commit(path, instances={"a": instance("a", status=Status.FAILED)}, entities=locks)
    found = findings(perdure, 1)["locks"]
    assert found["message"] == "2: @c@a by a (Failed), @c@gone by gone (which is gone)"
    assert found["fix"] == "`perdure entity clean`"


def test_overdue_timers_of_a_live_owner_are_a_problem(perdure: Any, path: Path) -> None:
    owner = Owner(SQLiteStore(path))
    many = {f"i{n:02}": instance(f"i{n:02}") for n in range(25)}
    owner.commit(instances=dict(many), timers_set=[TimerRow(key, 1, FIRST, 1) for key in many])
    found = findings(perdure, 1)["overdue"]
    owner.store.close()
    assert found["message"].startswith("25: i00 since 1970")
    assert found["message"].endswith("and 5 more")
    assert "is behind or hangs" in found["fix"]


def test_old_answers_are_noted(perdure: Any, path: Path) -> None:
    commit(path, replies={"r": "{}", "s": "{}"})
    with closing(sqlite3.connect(path)) as database:
        old = int(time.time()) - 7_000
        database.execute("UPDATE reply SET at = ? WHERE request_id = 'r'", (old,))
        database.commit()
    found = findings(perdure, 0)["replies"]
    assert (found["level"], found["message"][:16]) == ("note", "1 answers of 2 w")


@pytest.mark.parametrize(("version", "fix"), [(77, "use the newer Perdure"), (0, "start the run")])
def test_another_schema_is_a_problem(perdure: Any, path: Path, version: int, fix: str) -> None:
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {version}")
    found = findings(perdure, 1)
    assert "contents" not in found
    assert found["schema"]["fix"].startswith(fix)


def test_damage_is_a_problem(perdure: Any, path: Path) -> None:
    owner = Owner(SQLiteStore(path))
    owner.keep(*(instance(f"i{n}", input="x" * 3_000) for n in range(50)))
    owner.store.close()
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\x05" * 4096
    path.write_bytes(data)
    found = findings(perdure, 1)["integrity"]
    assert found["level"] == "problem"
    assert "restore the newest backup" in found["fix"]


def test_a_place_without_a_file_is_told(perdure: Any, path: Path) -> None:
    assert "there is no store" in perdure.refused(3, "doctor")
    path.mkdir()
    assert f"{path} is a folder: give the file in it" in perdure.refused(3, "doctor")


@pytest.mark.parametrize(
    ("content", "verdict", "fix"),
    [
        (b"", "is empty: no runtime has used it yet", "`perdure run app:app` makes a store of it"),
        (b"a letter " * 1_000, "is no database: it begins with 'a letter", "give the path of a"),
        (b"SQLite format 3\0" + b"\xff" * 5_000, "damaged or no database", "restore a backup"),
    ],
)
def test_what_is_no_store_is_a_problem(
    perdure: Any, path: Path, content: bytes, verdict: str, fix: str
) -> None:
    path.write_bytes(content)
    found = findings(perdure, 1)
    assert [*found] == ["file"]
    assert verdict in found["file"]["message"]
    assert fix in found["file"]["fix"]
    assert path.read_bytes() == content


def test_the_file_of_another_program_is_a_problem(perdure: Any, path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (a)")
    found = findings(perdure, 1)["file"]
    assert "is the database of another program" in found["message"]


def test_damaged_rows_are_a_problem(perdure: Any, path: Path) -> None:
    commit(path, instances={f"x{n}": instance(f"x{n}") for n in range(3)})
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE instance SET input = '1', status = 77 WHERE id = 'x1'")
    found = findings(perdure, 1)["checksums"]
    assert found["level"] == "problem"
    assert found["message"] == "1 of 3 rows are damaged: row 'x1' of table instance"
    assert "restore the newest backup" in found["fix"]


def test_lost_turns_are_a_problem(perdure: Any, path: Path) -> None:
    turns = [turn("x", number) for number in range(3)]
    commit(path, instances={"x": instance("x")}, turns=turns)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM turn WHERE sequence = 1")
    found = findings(perdure, 1)["logs"]
    assert found["message"] == "1: x (it has 2 of 3 turns)"
    assert found["fix"] == "restore a backup; or terminate these, purge them, and start them anew"
    assert "turn 1 of 'x' is missing" in perdure.refused(1, "export")
