"""What SQLite files can suffer: each is reported at open or at the write, with what to do."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from perdure.actors.errors import StoreCorruptError, StoreError, StoreVersionError
from perdure.persistence.contract.rows import Owner, instance, message, turn
from perdure.persistence.records import Commit, Query
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.sqlite_checkup import examine
from perdure.persistence.sqlite_file import SQLiteFile
from perdure.persistence.store import Durability

NOBODY = 65534


def filled(path: Path, rows: int = 200) -> bytes:
    store = SQLiteStore(path)
    Owner(store).keep(*(instance(f"i{number}", input="x" * 500) for number in range(rows)))
    store.close()
    return path.read_bytes()


def refusal_of_a_child(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "hub.db").touch()
    store = SQLiteStore(tmp_path / "hub.db")
    assert store.count(Query()) == {}
    store.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    path.write_text("dear diary, " * 100)
    with pytest.raises(StoreCorruptError, match=r"hub\.db.*restore a backup"):
        SQLiteStore(path)
    assert path.read_text().startswith("dear diary")


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE song (title)")
    database.close()
    with pytest.raises(StoreError, match="another program"):
        SQLiteStore(path)


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "hub.db"
    content = filled(path)
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(StoreCorruptError):
        SQLiteStore(path)


def test_a_large_truncated_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hub.db"
    content = filled(path)
    monkeypatch.setattr("perdure.persistence.sqlite_file._FULLY_CHECKED_BYTES_MAX", 1000)
    SQLiteStore(path).close()
    path.write_bytes(content[:-4096])
    with pytest.raises(StoreCorruptError, match=r"hub\.db.*malformed"):
        SQLiteStore(path)


@pytest.mark.parametrize("page", [0, 1, 5])
def test_an_overwritten_page_is_refused(tmp_path: Path, page: int) -> None:
    path = tmp_path / "hub.db"
    content = bytearray(filled(path))
    content[page * 4096 : page * 4096 + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(StoreCorruptError):
        SQLiteStore(path)


def test_a_damaged_name_in_the_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    content = bytearray(filled(path))
    entry = content.index(b"indexinstance_createdinstance")
    content[entry + 5 : entry + 7] = b"\xc8\x41"
    sql = content.index(b"CREATE", entry)
    content[sql : sql + 6] = b"\xff" * 6
    path.write_bytes(content)
    with pytest.raises(StoreCorruptError, match=r"hub\.db.*restore a backup"):
        SQLiteStore(path)
    with pytest.raises(StoreCorruptError, match=r"hub\.db.*restore a backup"):
        examine(path, 0)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    filled(path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    with pytest.raises(StoreVersionError, match="999"):
        SQLiteStore(path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"absent/hub\.db.*create the folder"):
        SQLiteStore(tmp_path / "absent" / "hub.db")


OPEN_AS_NOBODY = f"""
import os, sys
from pathlib import Path
from perdure.persistence.sqlite import SQLiteStore
folder = Path(sys.argv[1])
folder.chmod(0o555)
os.chdir(folder)
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
SQLiteStore("hub.db").own()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such mode there")
@pytest.mark.parametrize("exists", [False, True])
def test_a_read_only_folder_is_named(exists: bool) -> None:
    with TemporaryDirectory() as name:  # Not tmp_path: nobody else may enter its parents.
        folder = Path(name)
        if exists:
            filled(folder / "hub.db")
        refusal = refusal_of_a_child(OPEN_AS_NOBODY, name)
        folder.chmod(0o755)
    assert "StoreError" in refusal
    assert "hub.db" in refusal
    assert "writable for this process" in refusal


def test_a_full_disk_loses_nothing_that_was_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hub.db"
    filled(path, rows=1)

    class OnASmallDisk(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            super().execute("PRAGMA max_page_count = 60")
            return super().execute(sql, parameters)

    connect = partial(sqlite3.connect, factory=OnASmallDisk)
    monkeypatch.setattr("perdure.persistence.sqlite_file.sqlite3.connect", connect)
    store = SQLiteStore(path)
    owner = Owner(store)
    with pytest.raises(StoreError, match=r"hub\.db: the disk is full: free some space"):
        owner.keep(*(instance(f"j{number}", input="x" * 5000) for number in range(100)))
    owner.keep(instance("small"))
    assert [row.id for row in store.query(Query(), 9).rows] == ["i0", "small"]
    store.close()


FILL_A_SMALL_DISK = """
import resource, signal, sys
from perdure.persistence.contract.rows import Owner, instance
from perdure.persistence.sqlite import SQLiteStore
owner = Owner(SQLiteStore(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
for number in range(1000):
    owner.keep(instance(f"i{number}", input="x" * 5000))
    print("kept", number, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit on file sizes there")
def test_a_refused_write_leaves_all_commits_before_it(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    told = refusal_of_a_child(FILL_A_SMALL_DISK, str(path))
    kept = told.count("kept")
    assert kept
    assert "StoreError" in told
    assert "free s" in told
    store = SQLiteStore(path)
    assert sum(store.count(Query()).values()) == kept
    store.close()


def test_a_file_locked_too_long_is_named(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    store = SQLiteStore(path, lock_seconds_max=0)
    tool = sqlite3.connect(path, isolation_level=None)
    tool.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"hub\.db.*locked for too long"):
        store.post([message("a")])
    tool.close()
    store.post([message("a")])
    store.close()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "hub.db")
    store.close()
    for use in (lambda: store.post([]), lambda: store.instance("a"), store.version):
        with pytest.raises(StoreError, match="was closed"):
            use()


def test_an_unknown_durability_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'full' or 'relaxed'"):
        SQLiteStore(tmp_path / "hub.db", durability="maybe")  # type: ignore[arg-type]


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("relaxed", 1)])
def test_durability_decides_what_is_synced(
    tmp_path: Path, durability: Durability, level: int
) -> None:
    file = SQLiteFile(tmp_path / "hub.db", durability, 1)
    with file.writing() as database:
        assert database.execute("PRAGMA synchronous").fetchone() == (level,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()


def test_positions_outlive_a_reopened_store(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    store = SQLiteStore(path)
    owner = Owner(store)
    store.post([message("a")])
    owner.commit(sent=[message("a", 9)])
    owner.commit(consumed=[9, -1])
    store.close()
    again = SQLiteStore(path)
    again.post([message("a")])
    assert again.inbox(0)[0].position == -2
    assert again.recover(0).position == 9
    again.close()


def test_a_text_is_not_cut_at_a_nul(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "hub.db")
    turns = [turn("a", 0), turn("a", 1)]
    turns[0].events = "before\0after"
    Owner(store).commit(turns=turns)
    assert store.history("a") == turns
    store.close()


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 37, 2))
    with pytest.raises(StoreError, match=r"3\.38"):
        SQLiteStore(tmp_path / "hub.db")


def test_replies_nobody_takes_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    store = SQLiteStore(path)
    store.commit(Commit(store.own(), replies={"old": '"a"', "new": '"b"', "wanted": '"c"'}))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE reply SET at = at - 90000 WHERE request_id = 'old'")
    assert store.take_replies(["wanted"]) == {"wanted": '"c"'}
    assert store.take_replies(["old", "new"]) == {"new": '"b"'}
    store.close()
