"""A worker that stops in the middle of sending a commit cannot keep its partitions from others."""

from collections.abc import Iterator

import psycopg
import pytest

from perdure.persistence.opening import open_store
from perdure.persistence.postgres_address import connecting, read_address
from perdure.persistence.records import Commit, Errand, Shared
from perdure.persistence.sharing import SharedStore, is_shared


@pytest.fixture
def store(hub_url: str) -> Iterator[SharedStore]:
    opened = open_store(hub_url)
    assert is_shared(opened)
    yield opened
    opened.close()


@pytest.fixture
def stuck(hub_url: str) -> Iterator[psycopg.Connection]:
    """Give a session in which a commit can stop."""
    address = read_address(hub_url)
    with psycopg.connect(**connecting(address, relaxed=False)) as link:
        yield link


def test_locks_of_the_dead_are_taken_away(store: SharedStore, stuck: psycopg.Connection) -> None:
    # So long that its end finds the commit older than those that are still on their way.
    dead = store.enter(lease=0.5, heartbeat=0.1)
    dead.beat()
    dead.claim([0, 1])
    stuck.execute("UPDATE partition SET changes = changes + 1 WHERE number = 0")
    heir = store.enter(lease=0.02, heartbeat=0.01)
    # Under load the heir's own lease may end before its claim.
    while len(heir.beat().alive) > 1 or heir.claim([0, 1]).keys() != {0, 1}:
        pass
    with pytest.raises(psycopg.OperationalError):
        stuck.commit()


def test_no_session_is_ended_while_all_live(store: SharedStore, stuck: psycopg.Connection) -> None:
    alive = store.enter(lease=60, heartbeat=1)
    alive.beat()
    alive.claim([0])
    stuck.execute("UPDATE partition SET changes = changes + 1 WHERE number = 0")
    other = store.enter(lease=0.02, heartbeat=0.01)
    other.beat()
    assert other.claim([1]).keys() == {1}
    stuck.commit()


def test_errands_of_the_dead_are_set_free(store: SharedStore, stuck: psycopg.Connection) -> None:
    asked = Errand(0, 1, "i", "e", 1, 1, "work", 0)
    store.commit(Commit(0, shared=Shared({}, errands=[asked])))
    dead = store.enter(lease=0.02, heartbeat=0.01)
    dead.beat()
    assert dead.take({"work": 1}, 1) == [asked]
    stuck.execute("DELETE FROM errand")
    heir = store.enter(lease=0.02, heartbeat=0.01)
    while len(heir.beat().alive) > 1:
        pass
    while not (taken := heir.take({"work": 1}, 1, left_behind=True)):
        heir.beat()
    assert taken == [asked]
    with pytest.raises(psycopg.OperationalError):
        stuck.commit()
