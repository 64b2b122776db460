"""`perdure drain`: whether, and when, code is not needed any more."""

from pathlib import Path
from typing import Any

import pytest

from perdure import Status
from perdure.cli import draining
from perdure.cli.stored import StoreTarget
from perdure.persistence.contract.rows import Owner, instance
from perdure.persistence.sqlite import SQLiteStore

WAY_ON = "`perdure list` shows them, `perdure why` what each waits for"
ROWS = [
    instance("a", name="order", version="1"),
    instance("b", name="order", version="1", status=Status.SUSPENDED),
    instance("c", name="order", version="1", status=Status.COMPLETED, completed=5),
    instance("d", name="order", version="2", status=Status.FAILED, completed=5),
    instance("e", name="order"),
    instance("f", name="label", version="1"),
]


@pytest.fixture
def filled(path: Path) -> Path:
    owner = Owner(SQLiteStore(path))
    owner.keep(*ROWS)
    owner.store.close()
    return path


def go_on_once_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a command has begun to wait, the instances x and y get what they wait for."""

    async def absence(target: StoreTarget) -> None:
        for instance_id in ("x", "y"):
            await target.raise_event(instance_id, "go", "on")

    monkeypatch.setattr(StoreTarget, "absence", absence)
    monkeypatch.setattr(draining, "LOOK_SECONDS", 0.001)


@pytest.mark.parametrize(
    ("which", "left"),
    [
        (["order"], 3),
        (["order", "--version", "1"], 2),
        (["order", "--version", ""], 1),
        (["--version", "1"], 3),
        ([], 4),
    ],
)
def test_what_is_unfinished_is_counted(
    perdure: Any, filled: Path, which: list[str], left: int
) -> None:
    said = perdure.refused(5, "drain", *which, "--timeout", "0")
    assert said.startswith("perdure: unfinished instances of ")
    assert f": {left} left: `perdure list` shows them" in said


def test_a_version_can_be_purged(perdure: Any, filled: Path) -> None:
    assert perdure.json("purge", "--version", "1", "--yes") == [{"instancesDeleted": 1}]
    assert perdure.json("purge", "--version", "1", "--yes") == [{"instancesDeleted": 0}]
    assert [found["instanceId"] for found in perdure.json("list", "--version", "1")] == list("abf")


def test_a_version_that_has_ended_is_drained(perdure: Any, filled: Path) -> None:
    told = perdure("drain", "order", "--version", "2")
    assert told == "no instance of order version 2 is unfinished\n"
    assert perdure.json("drain", "order", "--version", "2") == [
        {"unfinished": 0, "runtimeStatus": {}}
    ]


def test_a_timeout_tells_what_is_left(perdure: Any, filled: Path) -> None:
    code, out, errors = perdure.run("drain", "label", "--timeout", "0.01", "--json")
    assert (code, out) == (5, '{"unfinished":1,"runtimeStatus":{"Running":1}}\n')
    assert errors.splitlines() == [
        f"perdure: no runtime runs {filled}: it goes on when one does (`perdure run`)",
        f"perdure: unfinished instances of label: 1 left: {WAY_ON}",
    ]


def test_draining_waits_until_none_is_left(
    perdure: Any, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("x", "y"):
        perdure("start", "waits", "--id", name)
        hub.until(name, Status.RUNNING)
    go_on_once_awaited(monkeypatch)
    shown = perdure.json("drain", "waits", "--timeout", "30")
    assert shown[0] == {"unfinished": 2, "runtimeStatus": {"Running": 2}}
    assert shown[-1] == {"unfinished": 0, "runtimeStatus": {}}
