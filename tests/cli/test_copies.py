"""`perdure backup`, `export` and `import`."""

import json
import sqlite3
from contextlib import closing
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest

from perdure import App, Runtime, Status
from perdure.persistence.contract.rows import Owner, entity, instance, turn
from perdure.persistence.records import Whole
from perdure.persistence.sqlite import SQLiteStore


@pytest.fixture
def filled(path: Path) -> Path:
    owner = Owner(SQLiteStore(path))
    owner.commit(
        instances={
            "ended": instance("ended", status=Status.COMPLETED),
            "runs": instance("runs", tags={"k": "v"}),
        },
        entities={"@c@k": entity("@c@k")},
        turns=[turn("ended", 0), turn("runs", 0), turn("runs", 1)],
    )
    owner.store.close()
    return path


def ids(text: str) -> list[str]:
    return [json.loads(line)["id"] for line in text.splitlines()]


def test_damaged_rows_are_told_of_with_the_backup(
    perdure: Any, filled: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(filled)) as database, database:
        database.execute("UPDATE instance SET output = '1' WHERE id = 'ended'")
    copy = tmp_path / "copy.db"
    code, out, errors = perdure.run("backup", str(copy), "--json")
    assert code == 1
    assert json.loads(out)["damaged"] == 1
    assert "so in its backup: 1: row 'ended' of table instance; keep the backups of" in errors
    assert copy.exists()


def test_a_backup_of_a_live_store_can_be_opened(perdure: Any, hub: Any, tmp_path: Path) -> None:
    perdure("start", "waits", "--id", "x")
    hub.until("x", Status.RUNNING)
    copy = str(tmp_path / "copy.db")
    (told,) = perdure.json("backup", copy)
    assert told == {"path": copy, "bytes": Path(copy).stat().st_size, "damaged": 0}
    assert perdure.json("list", "--store", copy)[0]["instanceId"] == "x"
    assert "exists already" in perdure.refused(4, "backup", copy)


def test_an_instance_goes_on_where_it_was_imported(
    perdure: Any, hub: Any, app: App, tmp_path: Path
) -> None:
    other, archive = str(tmp_path / "other.db"), str(tmp_path / "all.jsonl")
    perdure("start", "holds", '"k"', "--id", "x")
    hub.until("x", Status.RUNNING)
    perdure("export", "-o", archive)
    assert perdure.json("import", archive, "--store", other) == [{"imported": 2, "skipped": 0}]
    for document in ("status", "gantt"):
        assert perdure.json(document, "x") == perdure.json(document, "x", "--store", other)
    with hub.portal.wrap_async_context_manager(Runtime(app, Path(other), poll_interval=0.005)):
        perdure("raise", "x", "go", '"on"', "--store", other)
        (ended,) = perdure.json("status", "x", "--watch", "--store", other)[-1:]
        assert (ended["runtimeStatus"], ended["output"]) == ("Completed", "on")


def test_exports_are_chosen_by_id_and_filter(perdure: Any, filled: Path) -> None:
    assert ids(perdure("export")) == ["@c@k", "ended", "runs"]
    assert ids(perdure("export", "runs", "@c@k")) == ["@c@k", "runs"]
    assert ids(perdure("export", "--tag", "k=v")) == ["runs"]
    assert perdure("export", "--status", "Failed") == ""
    assert perdure("export", "--version", "2") == ""
    assert ids(perdure("export", "--version", "")) == ["ended", "runs"]
    assert "there is no gone in" in perdure.refused(3, "export", "gone")
    assert "not both" in perdure.refused(2, "export", "runs", "--tag", "k=v")


def test_an_export_replaces_no_file(perdure: Any, filled: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    assert "exists already" in perdure.refused(4, "export", "-o", str(tmp_path / "mine"))
    assert (tmp_path / "mine").read_text() == "mine"
    said = perdure.refused(1, "export", "-o", str(tmp_path / "nowhere" / "new"))
    assert "new: No such file or directory" in said
    assert "cannot write /" in said
    (told,) = perdure.json("export", "-o", str(tmp_path / "new"))
    assert told["exported"] == 3


def test_what_exists_is_refused_or_skipped(perdure: Any, filled: Path, tmp_path: Path) -> None:
    archive, other = perdure("export"), str(tmp_path / "other.db")
    perdure("import", "-", "--store", other, given=archive.splitlines()[1])
    said = perdure.refused(4, "import", "-", "--store", other, given=archive)
    assert "other.db has ended already, and nothing was imported; give --skip-existing" in said
    assert [i["instanceId"] for i in perdure.json("list", "--store", other)] == ["ended"]
    out = perdure("import", "-", "--store", other, "--skip-existing", given=archive)
    assert out.endswith("2 imported into " + other + ", 1 skipped\n")
    assert perdure("export", "--store", other) == archive


def test_a_live_store_takes_only_the_ended(perdure: Any, filled: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    owner = Owner(SQLiteStore(other))
    archive = perdure("export")
    said = perdure.refused(4, "import", "-", "--store", str(other), given=archive)
    assert "@c@k, runs can go on, and a runtime that runs" in said
    assert "stop it first" in said
    perdure("import", "-", "--store", str(other), given=archive.splitlines()[1])
    assert owner.store.history("ended") == [turn("ended", 0)]
    owner.store.close()


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("{", "stdin, line 1: it is no JSON object"),
        ('\n{"format": 7}', "stdin, line 2: its format is 7"),
        ("again", "stdin, line 4: '@c@k' comes twice"),
    ],
)
def test_a_bad_line_stops_before_anything_happens(
    perdure: Any, filled: Path, tmp_path: Path, lines: str, complaint: str
) -> None:
    other, archive = str(tmp_path / "other.db"), perdure("export")
    given = archive + archive if lines == "again" else lines
    assert complaint in perdure.refused(2, "import", "-", "--store", other, given=given)
    assert not Path(other).exists()


def test_only_stores_are_imported_into(perdure: Any, filled: Path, tmp_path: Path) -> None:
    archive = perdure("export")
    assert "there is no file nowhere" in perdure.refused(3, "import", "nowhere")
    (tmp_path / "letter").write_text("a letter " * 100)
    said = perdure.refused(1, "import", "-", "--store", str(tmp_path / "letter"), given=archive)
    assert "no database" in said
    assert (tmp_path / "letter").read_text() == "a letter " * 100


def test_an_archive_has_its_name_when_it_is_whole(
    perdure: Any, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "all.jsonl"
    seen: list[list[str]] = []

    def killed(_: Whole) -> bytes:
        seen.append(sorted(path.name for path in tmp_path.glob("all*")))
        raise OSError(ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("perdure.cli.copies.write_whole", killed)
        assert "No space left" in perdure.refused(1, "export", "-o", str(archive))
    assert seen == [["all.jsonl.unfinished"]]
    assert not list(tmp_path.glob("all*"))
    perdure("export", "-o", str(archive))
    assert [path.name for path in tmp_path.glob("all*")] == ["all.jsonl"]
    assert ids(archive.read_text()) == ["@c@k", "ended", "runs"]
