"""Leases and epochs: who owns partitions of a hub, and who cannot write to them any more."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from attrs import evolve

from perdure.actors.errors import StaleOwnerError, StoreInUseError
from perdure.persistence.partitions import partition_of
from perdure.persistence.postgres import PostgresStore
from perdure.persistence.postgres_address import read_address
from perdure.persistence.postgres_hub import PostgresHub
from perdure.persistence.records import Commit, MessageRow

Bind = Callable[..., PostgresStore]

DYING = {"lease": 0.2, "heartbeat": 60.0}
"""An owner that owns and never shows again that it lives."""


@pytest.fixture
def bind(hub_url: str) -> Iterator[Bind]:
    """Give what opens the hub with some of its partitions, or all."""
    opened: list[PostgresStore] = []

    def opening(*partitions: int, **changes: Any) -> PostgresStore:
        hub = PostgresHub(evolve(read_address(hub_url), **changes))
        opened.append(PostgresStore(hub, partitions or None))
        return opened[-1]

    yield opening
    for store in opened:
        store.close()


def id_in(partition: int, prefix: str = "i") -> str:
    return next(i for n in range(9_999) if partition_of(i := f"{prefix}{n}", 32) == partition)


def message(target: str, position: int = 0) -> MessageRow:
    return MessageRow(position, target, f"to {target}")


def test_a_dead_owner_is_replaced_after_its_lease(bind: Bind) -> None:
    dead, next_one = bind(**DYING), bind()
    epoch = dead.own()
    assert next_one.own() > epoch
    with pytest.raises(StaleOwnerError, match=f"newer than {epoch}"):
        dead.commit(Commit(epoch, replies={"r": "1"}))


def test_a_refusal_names_who_owns_it(bind: Bind) -> None:
    bind().own()
    with pytest.raises(StoreInUseError, match=r"is owned by \S+ with pid \d+; stop that runtime"):
        bind().own()


def test_owners_of_different_partitions_live_side_by_side(bind: Bind) -> None:
    first, second = bind(1), bind(2)
    epochs = first.own(), second.own()
    for number, (store, epoch) in enumerate(zip((first, second), epochs, strict=True), 1):
        target = id_in(number)
        store.commit(Commit(epoch, sent=[message(target, 7)]))
        assert store.recover(9).messages == [message(target, 7)]
        assert store.recover(9).position == 7
    # The same position is another message in each partition.
    first.commit(Commit(epochs[0], consumed=[7]))
    assert first.recover(9).messages == []
    assert len(second.recover(9).messages) == 1


def test_what_clients_send_reaches_its_partition_only(bind: Bind) -> None:
    first, second, client = bind(1), bind(2), bind()
    client.post([message(id_in(1)), message(id_in(2)), message(id_in(1, "j"))])
    assert [row.target for row in first.inbox(0)] == [id_in(1), id_in(1, "j")]
    assert [row.target for row in second.inbox(0)] == [id_in(2)]
    assert len(client.inbox(0)) == 3


def test_who_lost_one_partition_cannot_write_there(bind: Bind) -> None:
    """Not even by a commit that concerns others as well, nor by one that only consumes."""
    former, heir = bind(**DYING), bind(3)
    epoch = former.own()
    heir.own()
    lost, kept = id_in(3), id_in(4)
    for commit in (
        Commit(epoch, sent=[message(lost, 1), message(kept, 2)]),
        Commit(epoch, consumed=[1]),
        Commit(epoch),
    ):
        with pytest.raises(StaleOwnerError):
            former.commit(commit)
    former.commit(Commit(epoch, sent=[message(kept, 2)]))
    assert [row.target for row in former.recover(9).messages] == [kept]


def test_leases_run_by_the_databases_clock(bind: Bind, hub_url: str) -> None:
    bind().own()
    hub = read_address(hub_url)
    with psycopg.connect(**hub.parameters, options=f"-c search_path={hub.hub}") as link:
        left = link.execute("SELECT leased_until - clock_timestamp() FROM worker").fetchone()
    assert left is not None
    assert 0 < left[0].total_seconds() <= hub.lease


@pytest.mark.parametrize("kind", ["i{}", "@account@{}", "order-2024-{:08}", "{0:x}{0:x}"])
def test_ids_spread_evenly_over_partitions(kind: str) -> None:
    counts = [0] * 32
    for number in range(32_000):
        counts[partition_of(kind.format(number), 32)] += 1
    assert min(counts) > 850
    assert max(counts) < 1_150


def test_the_partition_of_an_id_never_changes() -> None:
    assert [partition_of(actor_id, 32) for actor_id in ("a", "@account@alice", "über")] == [
        3,
        12,
        8,
    ]
