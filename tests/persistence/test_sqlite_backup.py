"""Backups: whole, of one moment, and never in the place of something else."""

from pathlib import Path

import pytest

from perdure import StoreCorruptError, StoreError
from perdure.persistence.contract.rows import Owner, instance
from perdure.persistence.records import Query
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.sqlite_backup import back_up


def unseen(_done: int, _total: int) -> None:
    """Show nobody how far it is."""


def test_a_backup_is_of_one_moment(tmp_path: Path) -> None:
    owner = Owner(SQLiteStore(tmp_path / "hub.db"))
    rows = [instance(f"i{number:04}", input="x" * 9_000) for number in range(2_000)]
    owner.keep(*rows)
    shown: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        shown.append((done, total))
        owner.keep(*(instance(row.id, input=f"{done}") for row in rows[:50]))
        owner.keep(instance(f"later-{done}"))

    size = back_up(tmp_path / "hub.db", tmp_path / "copy.db", progress)
    assert len(shown) > 2
    assert shown[-1] == (size, size) == ((tmp_path / "copy.db").stat().st_size,) * 2
    copy = SQLiteStore(tmp_path / "copy.db")
    assert copy.query(Query(), 10_000).rows == rows
    assert copy.own() == 2
    copy.close()
    owner.store.close()
    assert not list(tmp_path.glob("*unfinished*"))


def test_a_backup_replaces_nothing(tmp_path: Path) -> None:
    SQLiteStore(tmp_path / "hub.db").close()
    target = tmp_path / "copy.db"
    target.write_text("mine")
    with pytest.raises(StoreError, match="exists already: name a new file"):
        back_up(tmp_path / "hub.db", target, unseen)
    assert target.read_text() == "mine"


def test_a_backup_that_ends_early_leaves_nothing(tmp_path: Path) -> None:
    SQLiteStore(tmp_path / "hub.db").close()

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(tmp_path / "hub.db", tmp_path / "copy.db", interrupt)
    with pytest.raises(StoreError, match="cannot copy"):
        back_up(tmp_path / "hub.db", tmp_path / "nowhere" / "copy.db", unseen)
    assert not list(tmp_path.glob("copy*"))


def test_nothing_is_backed_up_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot copy"):
        back_up(tmp_path / "hub.db", tmp_path / "copy.db", unseen)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_not_backed_up(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    owner = Owner(SQLiteStore(path))
    owner.keep(*(instance(f"i{number}", input="x" * 3_000) for number in range(50)))
    owner.store.close()
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\x05" * 4096
    path.write_bytes(data)
    with pytest.raises(StoreCorruptError) as refused:
        back_up(path, tmp_path / "copy.db", unseen)
    assert str(refused.value).startswith(f"{path} is damaged (")
    assert "no backup was made: keep this file" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.glob("copy*"))


def test_a_damaged_schema_is_not_blamed_on_folders(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    SQLiteStore(path).close()
    data = bytearray(path.read_bytes())
    data[100:108] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(StoreCorruptError, match=r"is damaged .*and no backup was made"):
        back_up(path, tmp_path / "copy.db", unseen)
    assert not list(tmp_path.glob("copy*"))
