"""What all commands share: options, exit statuses, one line for an error, completion."""

import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import typer

from perdure import InstanceNotFoundError, StoreError, __version__
from perdure.cli.ending import BROKEN_PIPE, INTERRUPTED, telling
from perdure.cli.moments import read_moment, shown_stretch
from perdure.persistence.contract.rows import Owner, entity, instance
from perdure.persistence.sqlite import SQLiteStore

READING = [["list"], ["count"], ["status", "x"], ["why", "x"], ["gantt", "x"], ["doctor"],
           ["export"], ["backup", "copy.db"], ["entity", "list"]]  # fmt: skip
WRITING = [["start", "hello"], ["raise", "x", "go"], ["terminate", "x"], ["purge", "--all"],
           ["signal", "@c@k", "add"]]  # fmt: skip


LISTS = "`perdure list` and `perdure entity list` show what there is"


@pytest.mark.parametrize("arguments", READING + WRITING)
def test_a_mistyped_path_creates_nothing(
    perdure: Any, tmp_path: Path, arguments: list[str]
) -> None:
    said = perdure.refused(3, *arguments, "--store", str(tmp_path / "mistyped.db"))
    assert "mistyped.db: give its path as --store or PERDURE_STORE" in said
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_stays_empty(perdure: Any, path: Path) -> None:
    path.touch()
    assert "is empty, no runtime has used it yet" in perdure.refused(3, "list")
    assert path.stat().st_size == 0


def test_an_older_schema_is_left_alone(perdure: Any, path: Path) -> None:
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 0")
    assert "start the runtime with this Perdure once" in perdure.refused(1, "list")
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (0,)


def test_a_store_is_a_path_or_a_url(
    perdure: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SQLiteStore(path).close()
    monkeypatch.delenv("PERDURE_STORE")
    monkeypatch.chdir(path.parent)
    for place in ("hub.db", str(path), "sqlite:///hub.db", f"sqlite:///{path}"):
        assert perdure.json("count", "--store", place)[0]["total"] == 0
    assert "there is no store perdure.db" in perdure.refused(3, "list")
    said = perdure.refused(2, "list", "--store", "memory://")
    assert "'memory://' is no store that processes share" in said


@pytest.fixture
def elsewhere(at_the_shop: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, from where the shop can be found."""
    sys.path.insert(0, str(Path.cwd()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql"])
def test_a_kind_of_store_makes_no_file(perdure: Any, elsewhere: Path, kind: str) -> None:
    SQLiteStore("hub.db").close()
    for command in (["bench", "shop:app", "nothing"], ["run", "shop:app"], ["serve", "shop:app"]):
        said = perdure.refused(2, *command, "--store", kind)
        assert f"{kind} would be a file of that name: write {kind}://" in said
        assert f", or ./{kind} for a file" in said
    said = perdure.refused(2, "move", "hub.db", kind)
    assert f"{kind!r} is no store that processes share: give the path" in said
    assert not (elsewhere / kind).exists()


def test_a_file_may_be_called_memory(perdure: Any, elsewhere: Path) -> None:
    few = ["--count", "1", "--concurrency", "1"]
    perdure("bench", "shop:app", "nothing", "--store", "./memory", *few)
    perdure("bench", "shop:app", "nothing", "--store", "memory", *few)
    assert perdure.json("count", "--store", "memory")[0]["total"] == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["list", "--jsn"], "No such option: --jsn"),
        (["list", "--status", "Runing"], "there is no status 'Runing'; did you mean Running?"),
        (["list", "--status", "zzz"], "there is no status 'zzz'; there are Running, Completed"),
        (["list", "--created-from", "1e9"], "'1e9' is no time"),
        (["list", "--limit", "0"], "'--limit': Input should be greater than or equal to 1"),
        (["status"], "Missing argument"),
        (["list", "--store", "a", "--url", "http://b"], "--store and --url are two ways"),
        (["backup", "x", "--url", "http://b"], "backup works on the store itself, not over HTTP"),
    ],
)
def test_a_wrong_command_line_is_told(perdure: Any, arguments: list[str], complaint: str) -> None:
    assert complaint in perdure.refused(2, *arguments)


def test_help_and_version_are_at_hand(perdure: Any) -> None:
    assert perdure("--version") == f"perdure {__version__}\n"
    for arguments in ([], ["--help"], ["entity"], ["list", "--help"]):
        assert "Usage: perdure" in perdure(*arguments)


def test_debug_shows_where_it_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), telling(debug=True):
        raise StoreError("no\nluck")
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback")
    assert shown.endswith("perdure: no luck\n")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), INTERRUPTED, "perdure: interrupted\n"),
        (BrokenPipeError(), BROKEN_PIPE, ""),
        (ExceptionGroup("", [TimeoutError("late")]), 5, "perdure: late\n"),
        (ValueError(), 1, "perdure: ValueError\n"),
        (InstanceNotFoundError("x"), 3, f"perdure: there is no instance 'x'; {LISTS}\n"),
    ],
)
def test_every_error_has_a_line_and_a_status(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, telling(debug=False):
        raise error
    assert ended.value.exit_code == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-31T08:00Z", datetime(2030, 1, 31, 8, tzinfo=UTC)),
        ("2030-01-31T08:00+01:00", datetime(2030, 1, 31, 7, tzinfo=UTC)),
        ("2030-01-31", datetime(2030, 1, 30, 22, tzinfo=UTC)),
    ],
)
def test_times_are_iso_in_the_zone(text: str, expected: datetime) -> None:
    zone = timezone(timedelta(hours=2))
    assert read_moment(text, "--at", zone=zone, ahead=True) == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5h", 5_400), ("2 d", 172_800), ("1w", 604_800)]
)
def test_stretches_are_ago_or_ahead(text: str, seconds: int) -> None:
    now = datetime.now(UTC)
    ago = read_moment(text, "--created-from", zone=None, ahead=False)
    ahead = read_moment(text, "--at", zone=None, ahead=True)
    assert abs((now - ago).total_seconds() - seconds) < 30
    assert abs((ahead - now).total_seconds() - seconds) < 30
    with pytest.raises(typer.BadParameter, match="too far away"):
        read_moment("99999999999w", "--at", zone=None, ahead=True)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0021, "2.1 ms"), (2.5, "2.5 s"), (90, "1 m 30 s"), (7_200, "2 h"), (90_000, "1 d 1 h")],
)
def test_stretches_are_shown_in_two_units(seconds: float, shown: str) -> None:
    assert shown_stretch(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("perdure sta", ["start", "status"]),
        ("perdure status a", ["a1", "a2"]),
        ("perdure start he", ["hello"]),
        ("perdure entity read @c", ["@c@k"]),
        ("perdure list --status Comp", ["Completed"]),
        ("perdure status a1 --store nowhere.db --hist", ["--history"]),
    ],
)
def test_the_shell_offers_what_there_is(
    perdure: Any, path: Path, monkeypatch: pytest.MonkeyPatch, line: str, offered: list[str]
) -> None:
    owner = Owner(SQLiteStore(path))
    owner.keep(*(instance(key) for key in ("a1", "a2", "b1")))
    owner.commit(entities={"@c@k": entity("@c@k")})
    owner.store.close()
    monkeypatch.setenv("_PERDURE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    assert sorted(perdure().split()) == offered


def test_the_shell_is_offered_nothing_of_nothing(
    perdure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_PERDURE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "perdure status a")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert perdure().split() == []
