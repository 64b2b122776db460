"""`perdure start`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from perdure import Status
from perdure.persistence.sqlite import SQLiteStore


def test_a_start_prints_the_new_id(perdure: Any, hub: Any) -> None:
    instance_id = perdure("start", "hello", '["a"]').strip()
    hub.until(instance_id, Status.COMPLETED)
    assert perdure.json("start", "hello", "[]", "--id", "x") == [{"instanceId": "x"}]


def test_a_start_waits_for_the_output(perdure: Any, hub: Any) -> None:
    assert perdure("start", "hello", '["a", "b"]', "--wait") == '["Hello, a!", "Hello, b!"]\n'
    (found,) = perdure.json("start", "hello", '["a"]', "--wait")
    assert (found["runtimeStatus"], found["output"]) == ("Completed", ["Hello, a!"])


def test_an_output_of_none_is_null(perdure: Any, hub: Any) -> None:
    assert perdure("start", "nothing", "--wait") == "null\n"


def test_inputs_come_from_files_and_stdin(perdure: Any, hub: Any, tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text('["file"]')
    assert "file" in perdure("start", "hello", f"@{tmp_path}/names.json", "--wait")
    assert "stdin" in perdure("start", "hello", "-", "--wait", given='["stdin"]')


def test_every_option_reaches_the_instance(perdure: Any, hub: Any) -> None:
    options = ["--id", "x", "--version", "2", "--tag", "a=1", "--tag", "b=x=y", "--at", "1h"]
    perdure("start", "waits", '"text"', *options)
    (found,) = perdure.json("status", "x")
    assert (found["name"], found["version"], found["input"]) == ("waits", "2", "text")
    assert found["tags"] == {"a": "1", "b": "x=y"}
    assert found["runtimeStatus"] == "Pending"
    due = datetime.fromisoformat(found["scheduledStartTime"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < due <= timedelta(hours=1)


def test_a_failure_shows_in_the_exit_status(perdure: Any, hub: Any) -> None:
    said = perdure.refused(1, "start", "fails", "--id", "x", "--wait")
    assert said.startswith("perdure: instance 'x' failed: ")
    assert "no luck" in said


def test_a_parked_instance_is_not_waited_for(perdure: Any, hub: Any) -> None:
    said = perdure.refused(1, "start", "unknown", "--id", "x", "--wait")
    assert "instance 'x' is parked: no orchestration 'unknown' is registered" in said
    assert "`perdure why x` says more" in said


def test_waiting_ends_after_the_timeout(perdure: Any, hub: Any) -> None:
    said = perdure.refused(5, "start", "waits", "--id", "x", "--wait", "--timeout", "0.05")
    assert "after 0.05 s and goes on: `perdure why x` says what it waits for" in said


def test_a_taken_id_is_a_conflict(perdure: Any, hub: Any) -> None:
    perdure("start", "waits", "--id", "x")
    assert "already exists" in perdure.refused(4, "start", "waits", "--id", "x")


def test_a_start_without_a_runtime_says_so(perdure: Any, path: Path) -> None:
    SQLiteStore(path).close()
    code, out, errors = perdure.run("start", "hello", "[]", "--id", "x")
    assert (code, out) == (0, "x\n")
    assert errors == f"perdure: no runtime runs {path}: it goes on when one does (`perdure run`)\n"


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a file that another decade wrote, and one that another system did."""
    monkeypatch.chdir(tmp_path)
    Path("latin").write_bytes('["é"]'.encode("latin-1"))
    Path("marked").write_bytes('["é"]'.encode("utf-8-sig"))


def test_standard_input_has_to_be_utf8(perdure: Any, hub: Any, in_a_folder: None) -> None:
    said = perdure.refused(2, "start", "hello", "-", given=Path("latin").read_bytes())
    assert "INPUT from stdin is no UTF-8 (byte 3): convert it" in said
    perdure("start", "waits", "--id", "x")
    said = perdure.refused(2, "raise", "x", "go", "-", given=b"\xff")
    assert "DATA from stdin is no UTF-8 (byte 1): convert it" in said


def test_a_byte_order_mark_does_no_harm(perdure: Any, hub: Any, in_a_folder: None) -> None:
    given = Path("marked").read_bytes()
    for source in ("@marked", "-"):
        assert perdure("start", "hello", source, "--wait", given=given) == '["Hello, é!"]\n'


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["hello", "abc"], "INPUT is no JSON (Expecting value: line 1 column 1 (char 0)); a text"),
        (["hello", "NaN"], "INPUT is no JSON (NaN is no JSON)"),
        (["hello", "[" * 90_000], "INPUT is nested too deeply"),
        (["hello", "@nowhere"], "cannot read INPUT from nowhere"),
        (["hello", "@latin"], "INPUT from latin is no UTF-8 (byte 3): convert it, as by `iconv"),
        (["hello", "--id", "a/b"], "'a/b' cannot be an id"),
        (["hello", "--tag", "a"], "Invalid value for --tag: 'a' is no key=value"),
        (["hello", "--at", "soon"], "Invalid value for --at: 'soon' is no time: write 2030-01-31"),
        ([], "Missing argument"),
    ],
)
def test_a_bad_start_is_told(
    perdure: Any, hub: Any, in_a_folder: None, arguments: list[str], complaint: str
) -> None:
    assert complaint in perdure.refused(2, "start", *arguments)
