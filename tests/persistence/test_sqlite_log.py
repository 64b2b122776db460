"""A log that is damaged in its midst is refused: SQLite would take it for a shorter one."""

import shutil
from collections.abc import Generator
from contextlib import closing, contextmanager, nullcontext, suppress
from errno import EIO, ENOSPC
from pathlib import Path
from random import Random

import pytest

from perdure import StoreCorruptError, StoreError
from perdure.persistence import sqlite_file
from perdure.persistence.contract.rows import Owner, instance, message
from perdure.persistence.owner_lock import OwnerLock
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.sqlite_backup import back_up
from perdure.persistence.sqlite_checkup import examine
from small_disk import filled, is_small, small_disk

COMMITS = 12


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """What a process that died has left: a file, and a log of a few commits."""
    return left_in(tmp_path)


def left_in(folder: Path) -> Path:
    store = SQLiteStore(folder / "living.db")
    owner = Owner(store)
    for number in range(COMMITS):
        owner.commit(instances={f"i-{number}": instance(f"i-{number}")})
    for end in ("", "-wal"):
        shutil.copy(f"{folder / 'living.db'}{end}", f"{folder / 'dead.db'}{end}")
    store.close()
    return folder / "dead.db"


def log_of(path: Path) -> Path:
    return Path(f"{path}-wal")


def flip(log: Path, at: int) -> None:
    data = bytearray(log.read_bytes())
    data[at] ^= 4
    log.write_bytes(data)


def count(path: Path) -> int:
    """Own it, and count what is there."""
    with closing(SQLiteStore(path)) as store:
        store.own()
        return sum(1 for _ in store.export())


def test_a_sound_log_is_taken_over(crashed: Path) -> None:
    assert count(crashed) == COMMITS
    assert count(crashed) == COMMITS


@pytest.mark.parametrize("seed", range(12))
def test_damage_amid_the_log_is_refused(crashed: Path, seed: int) -> None:
    log = log_of(crashed)
    middle = log.stat().st_size // 2
    flip(log, Random(seed).randrange(32 + 24, middle))  # noqa: S311 - not for secrets
    with pytest.raises(
        StoreCorruptError, match=r"-wal was damaged in its midst.*move .*\.damaged away"
    ):
        count(crashed)
    # It stays as it is, until somebody decides.
    with pytest.raises(StoreCorruptError):
        count(crashed)


def test_damage_in_the_header_is_refused(crashed: Path) -> None:
    flip(log_of(crashed), 18)
    with pytest.raises(StoreCorruptError, match="damaged in its midst"):
        count(crashed)


def test_the_advice_lets_it_go_on(crashed: Path) -> None:
    flip(log_of(crashed), log_of(crashed).stat().st_size // 2)
    with suppress(StoreCorruptError):
        count(crashed)
    Path(f"{crashed}-wal.damaged").unlink()
    assert 0 < count(crashed) < COMMITS


def test_a_torn_last_commit_is_dropped(crashed: Path) -> None:
    """A power failure tears the transaction that was being written, which nobody was told of."""
    log = log_of(crashed)
    flip(log, log.stat().st_size - 100)
    assert count(crashed) == COMMITS - 1


def test_relaxed_durability_promises_nothing(crashed: Path) -> None:
    flip(log_of(crashed), log_of(crashed).stat().st_size // 2)
    with closing(SQLiteStore(crashed, durability="relaxed")) as store:
        assert store.own() > 0


def test_a_look_does_not_remove_damage(crashed: Path) -> None:
    """Whoever closes a file last removes its log, and a look came before the start."""
    flip(log_of(crashed), log_of(crashed).stat().st_size // 2)
    with pytest.raises(StoreCorruptError, match="damaged in its midst"):
        SQLiteStore(crashed)
    with pytest.raises(StoreCorruptError, match="damaged in its midst"):
        count(crashed)


def test_a_checkup_tells_of_the_log(crashed: Path) -> None:
    assert examine(crashed, 0).damage == []
    flip(log_of(crashed), log_of(crashed).stat().st_size // 2)
    (damage,) = examine(crashed, 0).damage
    assert "-wal was damaged in its midst" in damage
    assert not Path(f"{crashed}-wal.damaged").exists()


def test_a_backup_without_commits_is_refused(crashed: Path) -> None:
    copy = crashed.with_name("copy.db")
    flip(log_of(crashed), log_of(crashed).stat().st_size // 2)
    damaged = log_of(crashed).read_bytes()
    with pytest.raises(StoreCorruptError, match="damaged in its midst"):
        back_up(crashed, copy, lambda _done, _total: None)
    assert not copy.exists()
    kept = Path(f"{log_of(crashed)}.damaged")
    assert kept.read_bytes() == damaged
    with pytest.raises(StoreCorruptError, match="to go on without them, move"):
        back_up(crashed, copy, lambda _done, _total: None)
    kept.unlink()
    back_up(crashed, copy, lambda _done, _total: None)
    assert 0 < count(copy) < COMMITS


def test_a_full_disk_removes_no_log(crashed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(_log: Path, copy: Path) -> None:
        copy.write_bytes(b"half")
        raise OSError(ENOSPC, "No space left on device")

    flip(log_of(crashed), log_of(crashed).stat().st_size // 2)
    damaged = log_of(crashed).read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", fill)
        with pytest.raises(StoreError, match=r"-wal\.damaged: .*No space left.*free some space"):
            SQLiteStore(crashed)
    assert log_of(crashed).read_bytes() == damaged
    assert [path.name for path in crashed.parent.glob("dead.db-wal*")] == ["dead.db-wal"]
    with pytest.raises(StoreCorruptError, match="damaged in its midst"):
        SQLiteStore(crashed)


@contextmanager
def open_already(path: Path) -> Generator[SQLiteStore]:
    """A store that was opened while somebody else owned the file, and nobody looked at its log."""
    lock = OwnerLock(path)
    lock.acquire()
    with closing(SQLiteStore(path)) as store:
        lock.release()
        yield store


def test_an_open_store_keeps_a_log_without_copy(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        crashed = left_in(disk)
        flip(log_of(crashed), log_of(crashed).stat().st_size // 2)
        damaged = log_of(crashed).read_bytes()
        kept = Path(f"{log_of(crashed)}.damaged")
        if not is_small(disk):  # only root may mount one: then a folder is in the way
            Path(f"{kept}.unfinished").mkdir()
        full = filled(disk) if is_small(disk) else nullcontext()
        with open_already(crashed) as store, full:
            for _ in range(2):
                with pytest.raises(StoreError, match=r"cannot be copied to .*nothing was removed"):
                    store.own()
            with pytest.raises(StoreError, match="could not be copied: free some space"):
                store.post([message("i-1")])
            assert sum(1 for _ in store.export()) < COMMITS
        assert log_of(crashed).read_bytes() == damaged
        assert not kept.exists()


def test_a_log_can_be_copied_later(crashed: Path) -> None:
    flip(log_of(crashed), log_of(crashed).stat().st_size // 2)
    damaged = log_of(crashed).read_bytes()
    kept = Path(f"{log_of(crashed)}.damaged")
    in_the_way = Path(f"{kept}.unfinished")
    in_the_way.mkdir()
    with open_already(crashed) as store:
        with pytest.raises(StoreError, match="cannot be copied"):
            store.own()
        in_the_way.rmdir()
        with pytest.raises(StoreCorruptError, match="damaged in its midst"):
            store.own()
    assert kept.read_bytes() == damaged
    kept.unlink()
    assert 0 < count(crashed) < COMMITS


def test_a_copy_is_on_the_disk_first(crashed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, bool]] = []

    def sync(path: Path) -> None:
        synced.append((path.name, log_of(crashed).exists()))
        if path.is_dir():
            raise OSError(EIO, "Input/output error")

    flip(log_of(crashed), log_of(crashed).stat().st_size // 2)
    damaged = log_of(crashed).read_bytes()
    monkeypatch.setattr(sqlite_file, "sync", sync)
    with pytest.raises(StoreError, match="nothing was removed"):
        SQLiteStore(crashed)
    assert synced == [("dead.db-wal.damaged.unfinished", True), (crashed.parent.name, True)]
    assert log_of(crashed).read_bytes() == damaged
    assert [path.name for path in crashed.parent.glob("dead.db-wal*")] == ["dead.db-wal"]
