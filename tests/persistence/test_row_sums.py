"""A row that is not what was written is found, whichever of its columns it is."""

import json
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest

from perdure import Status, StoreCorruptError
from perdure.persistence.contract.rows import FIRST, Owner, entity, instance, message, turn
from perdure.persistence.records import Query, TimerRow
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.sqlite_checkup import Rows, examine
from perdure.persistence.sums import NO_SUM, sum_of

TABLES = ("instance", "entity", "turn", "timer", "mailbox", "inbox", "reply")
NUMBERED_BY_SQLITE = {("inbox", "id"), ("reply", "at")}


@contextmanager
def opened(path: Path) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as database, database:
        yield database


def fill(path: Path) -> None:
    """Leave a row in each table, with something in each column."""
    with closing(SQLiteStore(path)) as store:
        row = instance(
            "a",
            version="1",
            completed=9,
            scheduled_start=8,
            parent_id="p",
            tags={"k": "\u00e9\x7f\x1f\0"},
            input='"\N{SNOWMAN} \\n"',
            output="2",
            failure="3",
            custom_status="4",
            parked="{}",
            open=True,
        )
        snapshot = entity("@e@k", locked_by="a", lock="[]", parked="{}")
        recorded, waiting = turn("a", 0), message("a", 7, due=5)
        recorded.notes, waiting.execution_id = "{}", FIRST
        Owner(store).commit(
            instances={"a": row},
            entities={"@e@k": snapshot},
            turns=[recorded],
            timers_set=[TimerRow("a", 1, FIRST, 5)],
            sent=[waiting],
            replies={"r": "{}"},
        )
        waiting.position = 0
        store.post([waiting])


def summed_columns(folder: Path) -> Iterator[tuple[str, str]]:
    path = folder / "columns.db"
    SQLiteStore(path).close()
    with opened(path) as database:
        for table in TABLES:
            for _, name, *_ in database.execute(f"PRAGMA table_info({table})"):
                if name != "sum" and (table, name) not in NUMBERED_BY_SQLITE:
                    yield table, name


def rows_of(path: Path) -> Rows:
    found = examine(path, 0).rows
    assert found is not None
    return found


def test_a_change_in_any_column_is_found(tmp_path: Path) -> None:
    for table, column in summed_columns(tmp_path):
        path = tmp_path / f"{table}-{column}.db"
        fill(path)
        assert (rows_of(path).sound, rows_of(path).damaged.count) == (7, 0)
        with opened(path) as database:
            database.execute("DROP TRIGGER tag_update")  # It would refuse what is no JSON.
            ((kind,),) = database.execute(f"SELECT typeof({column}) FROM {table}")  # noqa: S608
            changed = f"{column} + 4" if kind == "integer" else f"{column} || 'x'"
            database.execute(f"UPDATE {table} SET {column} = {changed}")  # noqa: S608
        found = rows_of(path).damaged
        assert found.count == 1, (table, column)
        assert f"of table {table} is damaged, as its checksum differs" in found.first[0]


@pytest.mark.parametrize("table", TABLES)
def test_a_sum_that_disappears_is_damage(tmp_path: Path, table: str) -> None:
    path = tmp_path / "hub.db"
    fill(path)
    with opened(path) as database:
        database.execute(f"UPDATE {table} SET sum = NULL")  # noqa: S608
    assert rows_of(path).damaged.count == 1


def test_all_that_is_read_tells_of_damage(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    fill(path)
    with opened(path) as database:
        for table in TABLES:
            database.execute(f"UPDATE {table} SET sum = sum + 1")  # noqa: S608
    with closing(SQLiteStore(path)) as store:
        loaded, pending = store.load(["a", "@e@k"]), store.recover(100)
        assert loaded["a"].instance == store.instance("a") == store.instances(["a"])["a"]
        told = [
            loaded["a"].damage,
            loaded["@e@k"].damage,
            *(row.damage for row in loaded["a"].turns + store.history("a")),
            *(row.damage for row in pending.messages + store.inbox(0) + store.posted(["a"])),
            *(row.damage for row in pending.timers + store.due(0, 100).timers),
            *(row.damage for row in store.due(0, 100).messages),
            *(row.damage for row in store.query(Query(), 9).rows),
            *(row.damage for row in store.entities("@", 9, transient=True).rows),
            *(whole.damage for whole in store.export()),
        ]
        assert None not in told
        assert len(told) == 16
        with pytest.raises(StoreCorruptError, match="row 'r' of table reply is damaged"):
            store.take_replies(["r"])


def test_damage_is_not_mended_by_writing(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    fill(path)
    with opened(path) as database:
        database.execute("UPDATE instance SET output = 'another', status = 99, created = -5")
        database.execute("UPDATE entity SET state = 'another'")
    with closing(SQLiteStore(path)) as store:
        row, snapshot = store.instance("a"), store.entity("@e@k")
        assert row is not None
        assert snapshot is not None
        assert (row.status, row.created) == (Status.RUNNING, 0)
        Owner(store).commit(instances={"a": row}, entities={"@e@k": snapshot})
        assert store.load(["a"])["a"].damage
    assert rows_of(path).damaged.count == 2


def test_older_rows_get_sums_when_written(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    fill(path)
    with opened(path) as database:
        database.execute("UPDATE hub SET absent_sum = NULL")
        for table in TABLES:
            database.execute(f"UPDATE {table} SET sum = NULL")  # noqa: S608
    assert (rows_of(path).unverified, rows_of(path).damaged.count) == (7, 0)
    with closing(SQLiteStore(path)) as store:
        row = store.instance("a")
        assert row is not None
        assert row.damage is None
        Owner(store).keep(row)
    assert (rows_of(path).sound, rows_of(path).unverified) == (1, 6)


@pytest.mark.parametrize(
    ("text", "asked", "sound"),
    [
        (b"a" + FIRST.encode(), "a", True),
        (b"a\n[0]", "a", True),
        (b"\x04\x03\x0f\ta", "b", False),  # the entry of the index
    ],
)
def test_an_id_is_what_the_index_says(tmp_path: Path, text: bytes, asked: str, sound: bool) -> None:
    path = tmp_path / "hub.db"
    fill(path)
    content = path.read_bytes()
    place = content.index(text) + text.index(b"a")
    path.write_bytes(content[:place] + b"b" + content[place + 1 :])
    with closing(SQLiteStore(path)) as store:
        found = store.load([asked])[asked]
        assert found.instance is not None
        assert (found.instance.id, found.instance.damage is None) == (asked, sound)
        assert [whole.id for whole in store.export([asked])] == [asked]
    assert examine(path, 0).damage


def test_sums_are_those_of_plain_json() -> None:
    text = "".join(map(chr, range(0x300))) + "\u2028\ufeff\U0001f600"
    for values in ([text, 1, None, -(2**60)], (), ["", "\udcff"]):
        document = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
        if "\udcff" not in document:
            assert orjson.dumps(values) == document.encode()
        assert sum_of(values) != NO_SUM
    assert sum_of(["a", 1, None]) == 0x4DF17586
    assert sum_of([b"none of ours"]) == NO_SUM
