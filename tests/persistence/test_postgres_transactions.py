"""What a transaction of a hub costs, and what becomes of one that others get into the way of."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from perdure.actors.errors import InstanceAlreadyExistsError, StoreError
from perdure.actors.status import Status
from perdure.persistence.contract.rows import entity, instance, message, turn
from perdure.persistence.opening import open_store
from perdure.persistence.postgres_address import read_address
from perdure.persistence.records import Commit, Query, Start, TimerRow
from perdure.persistence.store import Store


@pytest.fixture
def store(hub_url: str) -> Iterator[Store]:
    opened = open_store(hub_url)
    yield opened
    opened.close()


@pytest.fixture
def other(hub_url: str) -> Iterator[psycopg.Connection]:
    """Give a session of somebody else in the hub's schema."""
    address = read_address(hub_url)
    with psycopg.connect(
        **address.parameters, options=f"-c search_path={address.hub}", autocommit=True
    ) as link:
        yield link


def round_trips(trace: Path) -> int:
    """Count the changes from sending to receiving."""
    directions = re.findall(r"^(?:\S+ \S+\t)?([FB])\t", trace.read_text(), re.MULTILINE)
    return sum(pair == ("F", "B") for pair in pairwise(directions))


def everything(epoch: int) -> Commit:
    """Give a commit with all that there may be in one."""
    return Commit(
        epoch,
        claims={"a": None},
        resets={"b"},
        instances={"a": instance("a", tags={"k": "v"}), "b": None},
        entities={"@e@k": entity("@e@k"), "@e@l": None},
        turns=[turn("a", 0), turn("b", 0)],
        timers_set=[TimerRow("a", 1, "1" * 32, 50)],
        timers_cut=[("a", 2)],
        sent=[message("a", 1)],
        consumed=[-3, 5],
        replies={"r": "yes"},
    )


def test_a_commit_is_one_round_trip(
    hub_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links: list[psycopg.Connection[Any]] = []
    connect: Callable[..., psycopg.Connection[Any]] = psycopg.connect

    def connected(*where: Any, **how: Any) -> psycopg.Connection[Any]:
        links.append(connect(*where, **how))
        return links[-1]

    monkeypatch.setattr(psycopg, "connect", connected)
    store = open_store(hub_url)
    (link,) = links
    epoch = store.own()
    with (tmp_path / "trace").open("w") as trace:
        link.pgconn.trace(trace.fileno())
        store.commit(everything(epoch))
        link.pgconn.untrace()
    store.close()
    assert round_trips(tmp_path / "trace") == 1


def test_readers_never_see_a_later_message_first(store: Store, hub_url: str) -> None:
    """A reader that asks for what is below the last position misses none."""
    senders, each = 4, 40
    seen: list[str] = []

    def send(sender: int) -> None:
        client = open_store(hub_url)
        for number in range(each):
            client.post([message(f"{sender}-{number}")])
        client.close()

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(senders)]
    for thread in threads:
        thread.start()
    below = 0
    while any(thread.is_alive() for thread in threads) or store.inbox(below):
        for row in store.inbox(below):
            below = row.position
            seen.append(row.target)
    assert len(seen) == senders * each
    for sender in range(senders):
        own = [target for target in seen if target.startswith(f"{sender}-")]
        assert own == [f"{sender}-{number}" for number in range(each)]


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("lock_timeout", "others hold a lock for too long"),
        ("statement_timeout", "took too long: see statement_timeout"),
    ],
)
def test_what_others_lock_is_not_waited_for_long(
    hub_url: str, other: psycopg.Connection, setting: str, complaint: str
) -> None:
    with closing(open_store(f"{hub_url}&options=-c%20{setting}%3D20")) as store:
        epoch = store.own()
        with other.transaction():
            other.execute("SELECT 1 FROM partition FOR UPDATE")
            with pytest.raises(StoreError, match=complaint):
                store.commit(Commit(epoch, replies={"r": "1"}))
        store.commit(Commit(epoch, replies={"r": "2"}))
        assert store.take_replies(["r"]) == {"r": "2"}


@pytest.mark.parametrize(("failures", "works"), [(4, True), (5, False)])
def test_a_transaction_undone_for_others_is_repeated(
    store: Store, other: psycopg.Connection, failures: int, *, works: bool
) -> None:
    """A sequence is not undone with its transaction: it counts the attempts."""
    other.execute("CREATE SEQUENCE attempts")
    other.execute(
        f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('attempts') <= {failures} THEN
                RAISE EXCEPTION 'not now' USING ERRCODE = 'serialization_failure';
            END IF;
            RETURN NEW;
        END $$
        """.encode()
    )
    other.execute("CREATE TRIGGER refuse BEFORE INSERT ON reply EXECUTE FUNCTION refuse()")
    try:
        if works:
            store.commit(Commit(store.own(), replies={"r": "1"}))
        else:
            with pytest.raises(StoreError, match="again and again"):
                store.commit(Commit(store.own(), replies={"r": "1"}))
    finally:
        other.execute("DROP FUNCTION refuse CASCADE; DROP SEQUENCE attempts")
    assert store.take_replies(["r"]) == ({"r": "1"} if works else {})


def test_starts_in_opposite_orders_never_deadlock(store: Store, hub_url: str) -> None:
    problems: list[Exception] = []

    def start(ids: list[str]) -> None:
        client = open_store(hub_url)
        for _ in range(20):
            try:
                rows = [instance(actor_id, status=Status.PENDING) for actor_id in ids]
                client.post([], [Start(row, frozenset({Status.PENDING})) for row in rows])
            except StoreError as problem:
                problems.append(problem)
        client.close()

    ids = [f"i{number}" for number in range(30)]
    threads = [threading.Thread(target=start, args=(order,)) for order in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert store.count(Query()) == {Status.PENDING: 30}


def test_a_names_every_character_comes_back(store: Store) -> None:
    """Also the one that PostgreSQL does not take."""
    for name in ("a\0b", "\\0", "\\\\0\0", "\\", "0"):
        row = instance("a", name=name, version=name, tags={name: name})
        store.commit(Commit(epoch_of(store), instances={"a": row}))
        assert store.instance("a") == row
        assert store.query(Query(names=frozenset({name}), tags=((name, name),)), 9).rows == [row]


def epoch_of(store: Store) -> int:
    store.disown()
    return store.own()


def test_a_start_after_a_refused_one_is_fine(store: Store) -> None:
    store.post([], [Start(instance("a"), frozenset())])
    with pytest.raises(InstanceAlreadyExistsError):
        store.post([message("a")], [Start(instance("a"), frozenset())])
    store.post([message("b")], [Start(instance("b"), frozenset())])
    assert [row.target for row in store.inbox(0)] == ["b"]
