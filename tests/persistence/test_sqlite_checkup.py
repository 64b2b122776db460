"""A look at a file: what is found, and that looking leaves everything as it was."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from perdure import Status, StoreCorruptError, StoreError
from perdure.persistence.checkup import Contents, Some, StuckLock
from perdure.persistence.contract.rows import FIRST, Owner, entity, instance, message, turn
from perdure.persistence.records import MessageRow, TimerRow
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.sqlite_checkup import (
    examine,
    newest_schema_version,
    schema_version,
)

NOW = 1_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


def contents(path: Path) -> Contents:
    found = examine(path, NOW).contents
    assert found is not None
    return found


def test_an_empty_store_is_well(path: Path) -> None:
    SQLiteStore(path).close()
    found = examine(path, NOW)
    assert found.size == path.stat().st_size
    assert (found.schema_version, found.newest_schema_version) == (schema_version(path),) * 2
    assert (found.damage, found.owner, found.reusable) == ([], None, 0)
    assert contents(path) == Contents(
        {}, 0, 0, 0, 0, 0, 0, 0, Some(0, []), Some(0, []), Some(0, []), Some(0, [])
    )


def test_everything_in_it_is_counted(path: Path) -> None:
    owner = Owner(SQLiteStore(path))
    owner.commit(
        instances={"a": instance("a"), "b": instance("b", status=Status.FAILED)},
        entities={"@e@k": entity("@e@k")},
        turns=[turn("a", 0)],
        timers_set=[TimerRow("a", 1, FIRST, NOW * 2)],
        sent=[message("a", 1)],
        replies={"r": "{}"},
    )
    owner.store.post([message("a"), message("b")])
    found = contents(path)
    assert found.statuses == {Status.RUNNING: 1, Status.FAILED: 1}
    assert (found.entities, found.turns, found.timers) == (1, 1, 1)
    assert (found.mailbox, found.inbox, found.replies, found.old_replies) == (1, 2, 1, 0)
    owner.store.close()


def test_parked_actors_are_named_with_reasons(path: Path) -> None:
    owner = Owner(SQLiteStore(path))
    rows = {f"i{n:02}": instance(f"i{n:02}", parked=f"{n}") for n in range(30)}
    owner.commit(instances=dict(rows), entities={"@e@k": entity("@e@k", parked="why")})
    found = contents(path).parked
    assert (found.count, len(found.first)) == (31, 20)
    assert found.first[:2] == [("@e@k", "why"), ("i00", "0")]
    owner.store.close()


def test_only_what_could_go_on_is_overdue(path: Path) -> None:
    owner = Owner(SQLiteStore(path))
    rows = [
        instance("late"),
        instance("parked", parked="{}"),
        instance("suspended", status=Status.SUSPENDED),
    ]
    owner.commit(
        instances={row.id: row for row in rows},
        entities={"@e@held": entity("@e@held", locked_by="late")},
        timers_set=[TimerRow(row.id, 1, FIRST, NOW - 60_000_000) for row in rows],
        sent=[MessageRow(n, f"@e@{key}", "", None, NOW // 2) for n, key in ((1, "held"), (2, "k"))],
    )
    owner.store.post([MessageRow(0, "late", "", None, NOW - 1)])
    assert contents(path).overdue == Some(2, [("@e@k", NOW // 2), ("late", NOW - 60_000_000)])
    owner.store.close()


def test_locks_of_the_ended_are_stuck(path: Path) -> None:
    owner = Owner(SQLiteStore(path))
    owner.commit(
        instances={"a": instance("a"), "b": instance("b", status=Status.TERMINATED)},
        entities={f"@e@{i}": entity(f"@e@{i}", locked_by=i) for i in ("a", "b", "gone")},
    )
    stuck = [StuckLock("@e@b", "b", Status.TERMINATED), StuckLock("@e@gone", "gone", None)]
    assert contents(path).stuck_locks == Some(2, stuck)
    owner.store.close()


def test_an_owner_is_seen_and_not_disturbed(path: Path) -> None:
    store, other = SQLiteStore(path), SQLiteStore(path)
    store.own()
    version = other.version()
    owner = examine(path, NOW).owner
    assert owner is not None
    assert owner.isdigit()
    assert other.version() == version
    store.disown()
    assert examine(path, NOW).owner is None
    assert other.own() == 2
    for opened in (store, other):
        opened.close()


def test_another_schema_is_told_and_left(path: Path) -> None:
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 77")
    found = examine(path, NOW)
    assert (found.schema_version, found.contents) == (77, None)
    assert found.newest_schema_version == newest_schema_version()


def test_other_files_are_no_stores(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t (a)")
    with pytest.raises(StoreError, match="database of another program"):
        examine(path, NOW)
    path.write_text("a letter " * 100)
    with pytest.raises(StoreCorruptError, match="damaged or no database"):
        schema_version(path)


def test_what_cannot_be_opened_says_the_way_out(path: Path) -> None:
    SQLiteStore(path).close()
    Path(f"{path}-wal").mkdir()  # as on a read-only disk: SQLite cannot make its files there
    with pytest.raises(StoreError, match="write in its folder, or copy it to another folder"):
        examine(path, NOW)


def test_damage_is_found_page_by_page(path: Path) -> None:
    owner = Owner(SQLiteStore(path))
    owner.keep(*(instance(f"i{n}", input="x" * 3_000) for n in range(50)))
    owner.store.close()
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\x05" * 4096
    path.write_bytes(data)
    found = examine(path, NOW)
    assert found.damage
    assert found.contents is None


def test_a_look_at_the_lock_refuses_no_owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks takes a free lock for a moment; an owner that comes just then tries again."""
    module = "perdure.persistence.owner_lock"
    store, looks = SQLiteStore(path), iter([BlockingIOError(), BlockingIOError(), None])

    def taken_twice(_descriptor: int) -> None:
        if error := next(looks):
            raise error

    monkeypatch.setattr(f"{module}._try_lock", taken_twice)
    monkeypatch.setattr(f"{module}._PAUSE_SECONDS", 0)
    assert store.own() == 1
    store.close()
