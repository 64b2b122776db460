"""Whoever wants a little of much looks at little: nothing goes through a whole table or status."""

from contextlib import closing
from pathlib import Path

import pytest

from perdure import Status
from perdure.persistence import sqlite, sqlite_purge
from perdure.persistence.sqlite_file import SQLiteFile

LISTED = ("[]",)
STATEMENTS = {
    "lengths": (sqlite_purge.LENGTHS, LISTED),
    "ended": (sqlite_purge.ENDED, (1, 0, 0, "", 5)),
    "family": (sqlite_purge.FAMILY, LISTED),
    **{purge.split()[2]: (purge, LISTED) for purge in sqlite_purge.PURGES},
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_purge_enters_tables_by_index(name: str, tmp_path: Path) -> None:
    steps = _plan(tmp_path, *STATEMENTS[name])
    scanned = {step.split()[1] for step in steps if step.startswith("SCAN")}
    assert scanned <= {"json_each", "family"}
    assert not [step for step in steps if "instance_status" in step]


def test_failed_ones_are_found_by_their_status(tmp_path: Path) -> None:
    statement = f"{sqlite.PAGE} AND status IN (?) AND {sqlite.INCOMPLETE} {sqlite.IN_ORDER}"
    steps = _plan(tmp_path, statement, (0, "", int(Status.FAILED), 10))
    assert [step for step in steps if "instance_status" in step]
    assert not [step for step in steps if step.startswith(("SCAN instance", "USE TEMP"))]


def test_all_are_counted_by_indexes_alone(tmp_path: Path) -> None:
    steps = _plan(tmp_path, sqlite.COUNT.format(""), ())
    assert all("COVERING INDEX" in step for step in steps if "instance" in step)


def _plan(folder: Path, statement: str, values: tuple[object, ...]) -> list[str]:
    with closing(SQLiteFile(folder / "hub.db", "full", 1.0)) as file, file.reading() as database:
        return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
