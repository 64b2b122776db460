"""Damage that is done on purpose to what a killed process has left, each kind found by name."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import orjson
import pytest
from attrs import evolve

from crash_verdict import judge, looked_at
from disturbances import Victim
from perdure.persistence.opening import open_store
from perdure.persistence.records import EntityRow, MessageRow, Whole
from perdure.testing.checking.stored import WRITTEN

Wholes = dict[str, Whole]
Damage = Callable[[Wholes], str]
"""What is done to a store's rows; returns of whom the checker has to complain."""


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    """Give a store on which two processes have died, and which the checker accepts."""
    victim = Victim(tmp_path_factory.mktemp("dead"), Random(5))  # noqa: S311 - not for secrets
    for _ in range(2):
        victim.live("kill")
    assert judge(victim.url, victim.histories, finished=False).problems == []
    return victim


def start_removed(wholes: Wholes) -> str:
    name = next(name for name in wholes if name.startswith("diary") and name.endswith(".l1"))
    del wholes[name]
    return name


def fullest_diary(wholes: Wholes) -> Whole:
    diaries = [whole for name, whole in wholes.items() if name.startswith("diary")]
    fullest = max(diaries, key=lambda whole: len(whole.turns))
    assert "EventRaised" in fullest.turns[-1].events
    return fullest


def turn_removed(wholes: Wholes) -> str:
    found = fullest_diary(wholes)
    del found.turns[-1]
    return found.id


def event_doubled(wholes: Wholes) -> str:
    found = fullest_diary(wholes)
    found.turns.append(evolve(found.turns[-1], sequence=len(found.turns)))
    return found.id


def fullest_box(wholes: Wholes) -> tuple[EntityRow, list[str]]:
    boxes = [w.entity for n, w in wholes.items() if n.startswith("@box@l1.") and w.entity]
    fullest = max(boxes, key=lambda row: len(row.state or ""))
    return fullest, orjson.loads(fullest.state or "")["entries"]


def refilled(row: EntityRow, entries: list[str]) -> str:
    row.state = orjson.dumps({"entries": sorted(entries)}).decode()
    return row.id


def entity_rolled_back(wholes: Wholes) -> str:
    row, entries = fullest_box(wholes)
    return refilled(row, entries[: len(entries) // 2])


def signal_doubled(wholes: Wholes) -> str:
    row, entries = fullest_box(wholes)
    return refilled(row, [*entries, entries[0]])


def entity_removed(wholes: Wholes) -> str:
    row, _ = fullest_box(wholes)
    del wholes[row.id]
    return row.id


def finished(wholes: Wholes) -> Whole:
    return next(w for w in wholes.values() if w.instance and w.instance.status.is_terminal)


def end_removed(wholes: Wholes) -> str:
    found = finished(wholes)
    del found.turns[-1]
    return found.id


def output_changed(wholes: Wholes) -> str:
    found = finished(wholes)
    assert found.instance is not None
    found.instance.output = '"another"'
    return found.id


DAMAGES: dict[Damage, str] = {
    start_removed: "what was acknowledged is durable",
    turn_removed: "what was acknowledged is durable",
    event_doubled: "what was sent once arrives once",
    entity_rolled_back: "operations of an entity form one order",
    signal_doubled: "operations of an entity form one order",
    entity_removed: "operations of an entity form one order",
    end_removed: "an instance shows the end that its log has",
    output_changed: "an instance shows the end that its log has",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_planted_loss_is_found(dead: Victim, tmp_path: Path, damage: Damage) -> None:
    copy = tmp_path / "hub.db"
    with looked_at(dead.url) as place, closing(open_store(place)) as store:
        wholes = {whole.id: whole for whole in store.export()}
    about = damage(wholes)
    with closing(open_store(copy)) as store:
        store.install([*wholes.values()])
    found = judge(f"sqlite:///{copy}", dead.histories, finished=False).problems
    assert [text for text in found if text.startswith(f"{DAMAGES[damage]}: {about}: ")], found


def test_nothing_decided_is_no_verdict(dead: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crash_verdict.BY_CLIENTS", ())
    (problem,) = judge(dead.url, dead.histories, finished=False).problems
    assert "were decided, not ['@box@" in problem


def test_a_damaged_row_is_no_evidence(dead: Victim, tmp_path: Path) -> None:
    copy = tmp_path / "hub.db"
    with looked_at(dead.url) as place, closing(open_store(place)) as store:
        wholes = {whole.id: whole for whole in store.export()}
    with closing(open_store(copy)) as store:
        store.install([*wholes.values()])
    with closing(sqlite3.connect(copy)) as database, database:
        database.execute(
            "UPDATE instance SET output = '7' WHERE id = ?", (about := finished(wholes).id,)
        )
    found = judge(f"sqlite:///{copy}", dead.histories, finished=False).problems
    assert [text for text in found if text.startswith(f"{WRITTEN}: {about}: row '{about}'")], found


@pytest.mark.parametrize("part", ["turns", "messages"])
def test_what_cannot_be_read_is_no_evidence(dead: Victim, tmp_path: Path, part: str) -> None:
    copy = tmp_path / "hub.db"
    with looked_at(dead.url) as place, closing(open_store(place)) as store:
        wholes = {whole.id: whole for whole in store.export()}
    about = fullest_diary(wholes)
    if part == "turns":
        about.turns[0].events = "[{"
    else:
        about.messages.append(MessageRow(0, about.id, "{"))
    with closing(open_store(copy)) as store:
        store.install([*wholes.values()])
    found = judge(f"sqlite:///{copy}", dead.histories, finished=False).problems
    assert found[0].startswith(f"{WRITTEN}: {about.id}: ")
