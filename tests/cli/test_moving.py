"""`perdure move`."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from perdure import Status
from perdure.persistence.contract.rows import Owner, entity, instance, turn
from perdure.persistence.opening import open_store, open_unfinished
from perdure.persistence.sqlite import SQLiteStore

KEYS = ["from", "to", "orchestrations", "entities", "turns", "timers", "messages", "resumed"]


@pytest.fixture
def filled(path: Path) -> str:
    owner = Owner(SQLiteStore(path))
    owner.commit(
        instances={"x": instance("x", status=Status.COMPLETED), "y": instance("y")},
        entities={"@c@k": entity("@c@k")},
        turns=[turn("x", 0), turn("y", 0)],
    )
    owner.store.close()
    return str(path)


def test_a_hub_goes_into_a_database_and_back(
    perdure: Any, filled: str, hub_url: str, tmp_path: Path
) -> None:
    (told,) = perdure.json("move", filled, hub_url)
    assert [*told] == KEYS
    assert (told["orchestrations"], told["entities"], told["turns"]) == (2, 1, 2)
    code, out, errors = perdure.run("move", hub_url, str(tmp_path / "back.db"))
    assert (code, out[:44]) == (0, "2 orchestrations and 1 entities moved to " + str(tmp_path)[:3])
    assert "is as it was: run one of the two and never both" in errors
    for place in (hub_url, str(tmp_path / "back.db")):
        assert perdure("export", "--store", place) == perdure("export", "--store", filled)


def test_a_second_move_finds_all_there(perdure: Any, filled: str, tmp_path: Path) -> None:
    end = str(tmp_path / "end.db")
    perdure("move", filled, end)
    assert perdure.json("move", filled, f"sqlite:///{end}")[0]["resumed"] == 3
    perdure("start", "hello", "--store", end)
    assert "is a hub already, with more in it" in perdure.refused(4, "move", filled, end)


def test_a_hub_that_is_run_does_not_move(perdure: Any, hub: Any, tmp_path: Path) -> None:
    end = tmp_path / "end.db"
    assert "stop that runtime" in perdure.refused(4, "move", str(hub.path), str(end))
    assert not end.exists()
    owner = Owner(SQLiteStore(tmp_path / "other.db"))
    SQLiteStore(end).close()
    said = perdure.refused(4, "move", str(end), str(tmp_path / "other.db"))
    owner.store.close()
    assert "stop that runtime" in said


def test_a_half_done_copy_is_none(perdure: Any, filled: str, tmp_path: Path) -> None:
    end = tmp_path / "end.db"
    with closing(open_unfinished(end)) as store:
        store.mark_unfinished()
    for command in (["list"], ["start", "hello"], ["export"], ["backup", "copy"]):
        said = perdure.refused(1, *command, "--store", str(end))
        assert "is the half-done copy of another hub: run that `perdure move` again" in said
    code, out, _ = perdure.run("doctor", "--store", str(end))
    assert (code, "it is the half-done copy of another hub" in out) == (1, True)
    perdure("move", filled, str(end))
    assert perdure.json("count", "--store", str(end))[0]["total"] == 2


@pytest.mark.parametrize(
    ("begin", "end", "code", "complaint"),
    [
        ("hub.db", "hub.db", 2, "hub.db and hub.db are one store: name a new one"),
        ("hub.db", "link.db", 2, "hub.db and link.db are one store"),
        ("nowhere.db", "new.db", 3, "there is no store nowhere.db"),
        ("hub.db", "memory://", 2, "is no store that processes share"),
        ("letter", "new.db", 1, "damaged or no database"),
        ("hub.db", "letter", 1, "damaged or no database"),
        ("hub.db", "no/new.db", 1, "create the folder"),
    ],
)
def test_a_move_that_cannot_be_is_told(
    perdure: Any,
    filled: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    begin: str,
    end: str,
    code: int,
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("letter").write_text("a letter " * 1_000)
    Path("link.db").symlink_to("hub.db")
    assert complaint in perdure.refused(code, "move", begin, end)
    assert not Path("new.db").exists()


def test_a_move_takes_its_places_as_arguments(perdure: Any, filled: str) -> None:
    for option in (["--store", filled], ["--url", "http://127.0.0.1:1"]):
        said = perdure.refused(2, "move", filled, "new.db", *option)
        assert "move takes its two places as arguments: `perdure move FROM TO`" in said


def test_no_output_of_a_move_shows_a_password(perdure: Any, filled: str, tmp_path: Path) -> None:
    nowhere = f"postgresql://me:secret@/db?host={tmp_path}&hub=h"
    for places in ((filled, nowhere), (nowhere, filled), (nowhere, nowhere)):
        code, out, errors = perdure.run("move", *places)
        assert code != 0
        assert "secret" not in out + errors


def test_an_empty_hub_moves_too(perdure: Any, tmp_path: Path, hub_url: str) -> None:
    begin = tmp_path / "empty.db"
    SQLiteStore(begin).close()
    assert perdure.json("move", str(begin), hub_url)[0]["orchestrations"] == 0
    with closing(open_store(hub_url)) as store:
        assert list(store.export()) == []
