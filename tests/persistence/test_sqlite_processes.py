"""One SQLite file, several processes."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perdure.actors.errors import StaleOwnerError, StoreInUseError
from perdure.persistence.contract.rows import Owner, instance, message
from perdure.persistence.records import Query
from perdure.persistence.sqlite import SQLiteStore

OWN = """
import sys
from perdure.persistence.contract.rows import Owner, instance
from perdure.persistence.sqlite import SQLiteStore
owner = Owner(SQLiteStore(sys.argv[1]))
owner.keep(instance("theirs"))
print(owner.epoch, flush=True)
sys.stdin.read()
"""

POST = """
import sys
from perdure.persistence.contract.rows import message
from perdure.persistence.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1])
for number in range(int(sys.argv[2])):
    store.post([message(f"{sys.argv[3]}-{number}")])
store.close()
"""


@contextmanager
def owner_elsewhere(path: Path) -> Generator[tuple[subprocess.Popen[str], int], None, None]:
    with subprocess.Popen(
        [sys.executable, "-c", OWN, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout
        yield child, int(child.stdout.readline())
        child.kill()


def posting(path: Path, number: int, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", POST, str(path), str(number), name], text=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


def test_another_process_posts_while_the_store_is_owned(path: Path) -> None:
    owner = Owner(SQLiteStore(path))
    before = owner.store.version()
    with posting(path, 1, "a") as child:
        assert child.wait() == 0
    assert [row.target for row in owner.store.inbox(0)] == ["a-0"]
    assert owner.store.version() != before
    owner.store.close()


def test_posts_and_commits_of_three_processes_do_not_fail(path: Path) -> None:
    owner = Owner(SQLiteStore(path))
    with posting(path, 100, "a") as first, posting(path, 100, "b") as second:
        commits = 0
        while first.poll() is None or second.poll() is None:
            owner.keep(instance(f"i{commits % 50}", updated=commits))
            commits += 1
    assert first.returncode == second.returncode == 0
    targets = [row.target for row in owner.store.inbox(0)]
    for name in "ab":
        sent = [target for target in targets if target.startswith(name)]
        assert sent == [f"{name}-{number}" for number in range(100)]
    owner.store.close()


def test_processes_that_create_one_store_do_not_collide(path: Path) -> None:
    children = [posting(path, 1, str(number)) for number in range(6)]
    assert [child.wait() for child in children] == [0] * 6
    store = SQLiteStore(path)
    assert len(store.inbox(0)) == 6
    store.close()


def test_a_second_owner_in_this_process_is_told_of_the_first(path: Path) -> None:
    first, second = SQLiteStore(path), SQLiteStore(path)
    first.own()
    with pytest.raises(StoreInUseError, match=rf"hub\.db is owned by .* pid {os.getpid()}"):
        second.own()
    first.close()
    assert second.own() == 2
    second.close()


def test_another_name_of_the_file_meets_the_same_lock(path: Path, tmp_path: Path) -> None:
    first = SQLiteStore(path)
    first.own()
    (tmp_path / "link.db").symlink_to(path)
    second = SQLiteStore(tmp_path / "link.db")
    with pytest.raises(StoreInUseError):
        second.own()
    first.close()
    second.close()


def test_a_second_owner_elsewhere_is_told_of_the_first(path: Path) -> None:
    store = SQLiteStore(path)
    with owner_elsewhere(path) as (child, _):
        with pytest.raises(StoreInUseError, match=rf"hub\.db is owned by .* pid {child.pid};"):
            store.own()
        store.post([message("a")])
        assert store.instance("theirs") == instance("theirs")
    store.close()


def test_a_killed_owner_frees_the_store_and_loses_nothing(path: Path) -> None:
    store = SQLiteStore(path)
    with owner_elsewhere(path) as (child, epoch):
        child.kill()
        child.wait()
        assert store.own() > epoch
    assert [row.id for row in store.query(Query(), 9).rows] == ["theirs"]
    store.close()


def test_an_owner_that_lost_its_lock_cannot_write(path: Path) -> None:
    former = Owner(SQLiteStore(path))
    former.store.disown()
    with owner_elsewhere(path), pytest.raises(StaleOwnerError, match=r"hub\.db"):
        former.keep(instance("mine"))
    former.store.close()
