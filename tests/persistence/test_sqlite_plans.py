"""Deleting a little of much looks at little: no statement goes through a whole table or status."""

from contextlib import closing
from pathlib import Path

import pytest

from perdure.persistence import sqlite_purge
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
    statement, values = STATEMENTS[name]
    with closing(SQLiteFile(tmp_path / "hub.db", "full", 1.0)) as file, file.reading() as database:
        steps = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    scanned = {step.split()[1] for step in steps if step.startswith("SCAN")}
    assert scanned <= {"json_each", "family"}
    assert not [step for step in steps if "instance_status" in step]
