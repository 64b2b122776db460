"""Rows travel in as many documents as they need: a server takes no longer one than a gigabyte."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from perdure.actors.errors import InstanceAlreadyExistsError, StoreError
from perdure.actors.status import Status
from perdure.persistence import postgres_connections, postgres_rows
from perdure.persistence.contract.rows import entity, instance, message, turn
from perdure.persistence.postgres import PostgresStore
from perdure.persistence.postgres_errands import steps_of
from perdure.persistence.records import Answer, Commit, Letter, Query, Shared, Start

IDS = [f"i{number}" for number in range(5)]


@pytest.fixture
def store(hub_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresStore]:
    """Give a hub where two rows are too much for one document."""
    monkeypatch.setattr(postgres_rows, "_BYTES_MAX", 100)
    with closing(PostgresStore.at(hub_url)) as opened:
        yield opened


def test_all_rows_of_a_commit_come(store: PostgresStore) -> None:
    commit = Commit(
        store.own(),
        claims=dict.fromkeys(IDS),
        instances={one: instance(one) for one in IDS},
        entities={f"@e@{one}": entity(f"@e@{one}") for one in IDS},
        turns=[turn(one, 0) for one in IDS],
        sent=[message(one, number) for number, one in enumerate(IDS, 1)],
    )
    store.commit(commit)
    assert store.count(Query()) == {Status.RUNNING: 5}
    assert [row.id for row in store.entities("", 9).rows] == [f"@e@{one}" for one in IDS]
    assert [store.history(one) for one in IDS] == [[row] for row in commit.turns]
    assert store.recover(0).messages == commit.sent


@pytest.mark.parametrize("heavy", [0, 1 << 30])
def test_what_is_heavy_is_atomic_too(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, heavy: int
) -> None:
    monkeypatch.setattr(postgres_connections, "_PIPELINED_MAX", heavy)
    epoch = store.own()
    before = store.round_trips
    store.commit(Commit(epoch, turns=[turn(one, 0) for one in IDS]))
    assert store.round_trips == before + 1
    with pytest.raises(StoreError, match="contradicts what is there"):
        store.commit(Commit(epoch, turns=[turn("new", 0), turn("i4", 0)]))
    assert store.history("new") == []
    assert [store.history(one) for one in IDS] == [[turn(one, 0)] for one in IDS]


def test_posts_keep_their_order(store: PostgresStore) -> None:
    store.post([message(one) for one in IDS])
    store.post([message("a"), message("b")])
    found = store.inbox(0)
    assert [row.target for row in found] == [*IDS, "a", "b"]
    assert [row.position for row in found] == [-1, -2, -3, -4, -5, -6, -7]


def test_starts_are_all_or_none(store: PostgresStore) -> None:
    store.post([], [Start(instance("i3"), frozenset())])
    starts = [Start(instance(one), frozenset()) for one in IDS]
    with pytest.raises(InstanceAlreadyExistsError, match="i3"):
        store.post([message(one) for one in IDS], starts)
    assert store.inbox(0) == []
    assert store.count(Query()) == {Status.RUNNING: 1}


def test_answers_are_split_too() -> None:
    answers = [Answer((0, n), Letter(0, n, "w", "a", "x" * 10_000_000)) for n in range(4)]
    documents = [str(values[0]) for _, values in steps_of(Shared({}, answers=answers))]
    assert [len(document) >> 20 for document in documents] == [9] * 4
