"""Whole hubs that move from one store to another: equal, marked until then, gone on with."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from attrs import evolve

from perdure import Status, StoreCorruptError, StoreError, StoreInUseError, StoreVersionError
from perdure.persistence.contract.rows import FIRST, Owner, entity, instance, message, turn
from perdure.persistence.moving import Advance, Moved, NotEmptyError, move
from perdure.persistence.opening import open_store, open_unfinished
from perdure.persistence.records import TimerRow, Whole
from perdure.persistence.store import Store
from spare_hubs import SpareHubs

Places = tuple[str, str]

EVERYTHING = Moved(orchestrations=5, entities=2, turns=5, timers=2, messages=6, actors=8)


@pytest.fixture(params=["sqlite-sqlite", "sqlite-postgres", "postgres-sqlite", "postgres-postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Places]:
    """Name a store with every kind of row in it, and one that is not there yet."""
    with ExitStack() as stack:

        def place(kind: str, name: str) -> str:
            if kind == "sqlite":
                return f"sqlite:///{tmp_path / name}.db"
            spare: SpareHubs = request.getfixturevalue("spare_hubs")
            return stack.enter_context(spare.one()).replace("lease=1", "lease=0.3")

        begin, end = map(place, request.param.split("-"), ("begin", "end"))
        with closing(open_store(begin)) as store:
            fill(store)
        yield begin, end


def fill(store: Store) -> None:
    many = evolve(instance("a", input='"é\\u0000"', open=True), tags={"k": "v", "l": "w"})
    owner = Owner(store)
    owner.commit(
        instances={
            "a": many,
            "b": instance("b", status=Status.FAILED, completed=50, failure='{"type": "x"}'),
            "c": instance("c", status=Status.PENDING, scheduled_start=10**15),
            "d": instance("d", parked='{"reason": "engine error"}', custom_status="[1]"),
            "e": instance("e", parent_id="a", version="2", output="{}"),
        },
        entities={"@c@1": entity("@c@1", locked_by="a", lock='{"x": 1}'), "@c@2": entity("@c@2")},
        turns=[turn("a", number) for number in range(4)] + [turn("b", 0)],
        timers_set=[TimerRow("a", 3, FIRST, 10**15), TimerRow("a", 7, FIRST, 5)],
        sent=[message("@c@1", 7), message("a", 8, due=10**15), message("@new@k", 9)],
        replies={"r": "{}"},
    )
    store.post([message("@c@1"), message("a"), message("a")])


def contents(place: str) -> list[Whole]:
    with closing(open_store(place)) as store:
        return comparable(store)


def comparable(store: Store) -> list[Whole]:
    wholes = list(store.export())
    for whole in wholes:
        for waiting in whole.messages:
            waiting.position = 0
    return wholes


def unheard(*_: object) -> None:
    """Nobody looks at the progress."""


def moved(places: Places, advance: Advance = unheard) -> Moved:
    with closing(open_store(places[0])) as source, closing(open_unfinished(places[1])) as target:
        source.own()
        return move(source, target, advance, 2)


def test_a_moved_hub_has_the_same_in_it(places: Places) -> None:
    before = contents(places[0])
    assert moved(places) == EVERYTHING
    assert contents(places[1]) == before == contents(places[0])
    with closing(open_store(places[1])) as store:
        pending = store.recover(100)
        assert (pending.open, pending.parked) == (["a"], ["d"])
        assert [row.timer_id for row in pending.timers] == [7]
        assert len(pending.messages) == 5


def test_what_has_been_moved_is_moved_once(places: Places) -> None:
    moved(places)
    assert moved(places) == evolve(EVERYTHING, resumed=8)
    with closing(open_store(places[1])) as store:
        store.post([message("a")])
    with pytest.raises(NotEmptyError, match="is a hub already, and 'a' is not the same in it"):
        moved(places)


def test_a_target_with_more_in_it_is_refused(places: Places) -> None:
    moved(places)
    with closing(open_store(places[1])) as store:
        store.post([message("@more@k")])
    with pytest.raises(NotEmptyError, match="is a hub already, with more in it"):
        moved(places)


KILLED = """
import os, signal, sys
from perdure.persistence.moving import move
from perdure.persistence.opening import open_store, open_unfinished
begin, end, last = sys.argv[1:]
def advance(done, total):
    if done >= int(last):
        os.kill(os.getpid(), signal.SIGKILL)
source = open_store(begin)
source.own()
move(source, open_unfinished(end), advance, 2)
"""


def test_a_move_that_is_killed_at_each_batch_goes_on(places: Places) -> None:
    for done in (2, 4, 6, 8):
        command = [sys.executable, "-c", KILLED, *places, str(done)]
        killed = subprocess.run(command, check=False, timeout=50)
        assert killed.returncode == -signal.SIGKILL
        with pytest.raises(StoreVersionError, match="half-done copy of another hub: run that"):
            open_store(places[1])
    assert moved(places) == evolve(EVERYTHING, resumed=8)
    assert contents(places[1]) == contents(places[0])


class Interrupted(Exception):
    """Stands for whatever ends a move."""


def interrupted(places: Places, after: int) -> None:
    def advance(done: float, total: float | None) -> None:
        if done >= after:
            raise Interrupted

    with pytest.raises(Interrupted):
        moved(places, advance)


def test_what_has_changed_in_between_is_moved_anew(places: Places) -> None:
    interrupted(places, 8)
    with closing(open_store(places[0])) as store:
        store.post([message("@c@2"), message("z")])
        Owner(store).commit(instances={"b": None, "d": instance("d")}, resets={"b"})
    assert moved(places).resumed == 5
    assert contents(places[1]) == contents(places[0])


def test_both_are_owned_while_it_moves(places: Places) -> None:
    def advance(done: float, total: float | None) -> None:
        with closing(open_store(places[0])) as other, pytest.raises(StoreInUseError):
            other.own()
        with closing(open_unfinished(places[1])) as other, pytest.raises(StoreInUseError):
            other.own()
        raise Interrupted

    with pytest.raises(Interrupted):
        moved(places, advance)


@pytest.fixture
def files(tmp_path: Path) -> Places:
    """A filled store, and one that is not there yet."""
    begin, end = (f"sqlite:///{tmp_path / name}.db" for name in ("begin", "end"))
    with closing(open_store(begin)) as store:
        fill(store)
    return begin, end


def test_what_clients_send_meanwhile_is_moved_too(files: Places) -> None:
    sent = iter("xyz")

    def advance(done: float, total: float | None) -> None:
        if done == 8 and (target := next(sent, None)):
            with closing(open_store(files[0])) as client:
                client.post([message(target)])

    assert moved(files, advance).actors == 11
    assert contents(files[1]) == contents(files[0])


def test_a_source_that_never_rests_is_told(files: Places) -> None:
    def advance(done: float, total: float | None) -> None:
        with closing(open_store(files[0])) as client:
            client.post([message("a")])

    with pytest.raises(StoreError, match="keeps changing: stop the clients"):
        moved(files, advance)
    with pytest.raises(StoreVersionError, match="half-done copy"):
        open_store(files[1])


def test_what_is_written_wrongly_is_noticed(files: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_store(files[0])) as source, closing(open_unfinished(files[1])) as target:
        source.own()
        install = target.install

        def lose(wholes: list[Whole]) -> list[str]:
            return install([evolve(whole, turns=whole.turns[1:]) for whole in wholes])

        monkeypatch.setattr(target, "install", lose)
        with pytest.raises(StoreError, match=r"'a' is not what sqlite:///.*begin.db has"):
            move(source, target, unheard)


def test_a_target_half_filled_by_another_version_is_refused(files: Places) -> None:
    interrupted(files, 2)
    with closing(sqlite3.connect(files[1].removeprefix("sqlite:///"))) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        database.execute(f"PRAGMA user_version = {version + 1}")
    with pytest.raises(StoreVersionError, match="half filled by another Perdure: delete it"):
        open_unfinished(files[1])


def test_memory_takes_no_hub_in() -> None:
    with pytest.raises(StoreError, match="memory:// ends with this process"):
        open_unfinished("memory://")


def test_damaged_text_is_refused_by_name(files: Places, hub_url: str) -> None:
    with closing(sqlite3.connect(files[0].removeprefix("sqlite:///"))) as database:
        # As in a file of before rows had checksums.
        database.execute("UPDATE hub SET absent_sum = NULL")
        hurt = "input = CAST(x'22ff22' AS TEXT), sum = NULL"
        database.execute(f"UPDATE instance SET {hurt} WHERE id = 'c'")  # noqa: S608
        database.commit()
    with pytest.raises(StoreError, match="'c' holds damaged text"):
        moved((files[0], hub_url))
    moved(files)
    assert contents(files[1]) == contents(files[0])


def test_a_damaged_row_is_not_moved(files: Places) -> None:
    with closing(sqlite3.connect(files[0].removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE instance SET input = '1' WHERE id = 'c'")
    with pytest.raises(StoreCorruptError, match="row 'c' of table instance is damaged"):
        moved(files)
