"""Damage that is done on purpose to what a killed process has left, each kind found by name."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import orjson
import pytest

from crash_verdict import judge
from disturbances import Victim

Damage = Callable[[sqlite3.Connection], str]
"""What is done to a store; returns of whom the checker has to complain."""


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    """Give a store on which two processes have died, and which the checker accepts."""
    victim = Victim(tmp_path_factory.mktemp("dead"), Random(5))  # noqa: S311 - not for secrets
    for _ in range(2):
        victim.live("kill")
    assert judge(victim.url, victim.histories, finished=False).problems == []
    return victim


def start_removed(store: sqlite3.Connection) -> str:
    (name,) = store.execute("SELECT id FROM instance WHERE id LIKE 'diary%.l1'").fetchone()
    store.execute("DELETE FROM instance WHERE id = ?", (name,))
    return str(name)


def diary_with_words(store: sqlite3.Connection) -> tuple[str, int]:
    name, sequence = store.execute(
        "SELECT instance_id, max(sequence) FROM turn WHERE instance_id LIKE 'diary%'"
        " AND events LIKE '%EventRaised%' GROUP BY instance_id ORDER BY count(*) DESC"
    ).fetchone()
    return str(name), int(sequence)


def turn_removed(store: sqlite3.Connection) -> str:
    name, sequence = diary_with_words(store)
    store.execute("DELETE FROM turn WHERE instance_id = ? AND sequence = ?", (name, sequence))
    return name


def event_doubled(store: sqlite3.Connection) -> str:
    name, sequence = diary_with_words(store)
    store.execute(
        "INSERT INTO turn (instance_id, sequence, at, events, notes)"
        " SELECT instance_id, sequence + 1, at, events, notes FROM turn"
        " WHERE instance_id = ? AND sequence = ?",
        (name, sequence),
    )
    return name


def fullest_box(store: sqlite3.Connection) -> tuple[str, list[str]]:
    name, state = store.execute(
        "SELECT id, state FROM entity WHERE id LIKE '@box@l1.%' ORDER BY length(state) DESC"
    ).fetchone()
    return str(name), orjson.loads(state)["entries"]


def refilled(store: sqlite3.Connection, name: str, entries: list[str]) -> str:
    state = orjson.dumps({"entries": sorted(entries)}).decode()
    store.execute("UPDATE entity SET state = ? WHERE id = ?", (state, name))
    return name


def entity_rolled_back(store: sqlite3.Connection) -> str:
    name, entries = fullest_box(store)
    return refilled(store, name, entries[: len(entries) // 2])


def signal_doubled(store: sqlite3.Connection) -> str:
    name, entries = fullest_box(store)
    return refilled(store, name, [*entries, entries[0]])


def entity_removed(store: sqlite3.Connection) -> str:
    name, _ = fullest_box(store)
    store.execute("DELETE FROM entity WHERE id = ?", (name,))
    return name


DAMAGES: dict[Damage, str] = {
    start_removed: "what was acknowledged is durable",
    turn_removed: "what was acknowledged is durable",
    event_doubled: "what was sent once arrives once",
    entity_rolled_back: "operations of an entity form one order",
    signal_doubled: "operations of an entity form one order",
    entity_removed: "operations of an entity form one order",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_planted_loss_is_found(dead: Victim, tmp_path: Path, damage: Damage) -> None:
    copy = tmp_path / "hub.db"
    with closing(sqlite3.connect(dead.path)) as source, closing(sqlite3.connect(copy)) as store:
        source.backup(store)
        about = damage(store)
        store.commit()
    found = judge(f"sqlite:///{copy}", dead.histories, finished=False).problems
    assert [text for text in found if text.startswith(f"{DAMAGES[damage]}: {about}: ")], found


def test_nothing_decided_is_no_verdict(dead: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crash_verdict.BY_CLIENTS", ())
    (problem,) = judge(dead.url, dead.histories, finished=False).problems
    assert "were decided, not ['@box@" in problem
