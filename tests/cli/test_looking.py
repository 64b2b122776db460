"""`perdure status`, `list` and `count`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from perdure import Status
from perdure.persistence.contract.rows import Owner, instance
from perdure.persistence.sqlite import SQLiteStore

INSTANCE_KEYS = [
    "instanceId", "name", "version", "runtimeStatus", "executionId", "createdTime",
    "lastUpdatedTime", "completedTime", "scheduledStartTime", "parentInstanceId", "tags", "input",
    "output", "customStatus", "failureDetails", "parked",
]  # fmt: skip
DAY = 86_400_000_000
ROWS = [
    instance("a1", name="hello", created=1 * DAY, status=Status.COMPLETED, completed=5 * DAY),
    instance("a2", name="hello", created=2 * DAY, tags={"team": "x", "n": "1"}),
    instance("b1", name="other", created=3 * DAY, parent_id="a1", tags={"team": "x"}),
    instance(
        "b2", name="other", created=4 * DAY, status=Status.FAILED, completed=8 * DAY, version="2"
    ),
]


@pytest.fixture
def filled(path: Path) -> Path:
    owner = Owner(SQLiteStore(path))
    owner.keep(*ROWS)
    owner.store.close()
    return path


def ids(perdure: Any, *options: str) -> list[str]:
    return [found["instanceId"] for found in perdure.json("list", *options)]


def test_a_status_has_all_keys(perdure: Any, hub: Any) -> None:
    perdure("start", "hello", '["a"]', "--id", "x", "--wait")
    (found,) = perdure.json("status", "x")
    assert [*found] == [*INSTANCE_KEYS, "waitingFor"]
    assert (found["input"], found["output"], found["waitingFor"]) == (["a"], ["Hello, a!"], [])
    (found,) = perdure.json("status", "x", "--history")
    events = [event["type"] for event in found["historyEvents"]]
    assert events[1:3] == ["ExecutionStarted", "TaskScheduled"]


def test_a_status_is_a_sheet_for_people(perdure: Any, hub: Any) -> None:
    perdure("start", "waits", '"é"', "--id", "x", "--tag", "k=v")
    hub.until("x", Status.RUNNING)
    shown = [" ".join(line.split()) for line in perdure("status", "x").splitlines()]
    for line in ("instance x", "status Running", 'input "é"', "tags k=v", "waits for event go"):
        assert line in shown


def test_a_history_is_a_table_for_people(perdure: Any, hub: Any) -> None:
    perdure.run("start", "fails", "--id", "x", "--wait")
    shown = perdure("status", "x", "--history")
    last = [line for line in shown.splitlines() if "TaskFailed" in line][-1]
    assert last.rstrip().endswith("no luck")


def test_watching_shows_each_change_to_the_end(perdure: Any, hub: Any) -> None:
    perdure("start", "hello", '["a", "b"]', "--id", "x")
    seen = perdure.json("status", "x", "--watch")
    assert seen[-1]["runtimeStatus"] == "Completed"
    assert [found["runtimeStatus"] for found in seen].count("Completed") == 1
    assert "Completed" in perdure("status", "x", "--watch")


def test_an_absent_instance_is_not_found(perdure: Any, filled: Path) -> None:
    said = perdure.refused(3, "status", "zz")
    assert said.startswith("perdure: there is no instance 'zz'; `perdure list`")


@pytest.mark.parametrize("command", ["status", "gantt"])
def test_an_entity_is_looked_at_elsewhere(perdure: Any, filled: Path, command: str) -> None:
    said = perdure.refused(3, command, "@c@k")
    assert "there is no instance '@c@k'; `perdure entity read` and `perdure entity list`" in said


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["a1", "a2", "b1", "b2"]),
        (["--status", "Failed", "--status", "completed"], ["a1", "b2"]),
        (["--name", "other"], ["b1", "b2"]),
        (["--prefix", "a"], ["a1", "a2"]),
        (["--created-from", "1970-01-03", "--created-to", "1970-01-04"], ["a2", "b1"]),
        (["--completed-from", "1970-01-06T00:00:01"], ["b2"]),
        (["--completed-to", "1970-01-06T01:00+01:00"], ["a1"]),
        (["--created-from", "1h"], []),
        (["--tag", "team=x", "--tag", "n=1"], ["a2"]),
        (["--parent", "a1"], ["b1"]),
        (["--version", "2"], ["b2"]),
        (["--version", ""], ["a1", "a2", "b1"]),
    ],
)
def test_every_filter_narrows_list_and_count(
    perdure: Any, filled: Path, options: list[str], found: list[str]
) -> None:
    assert ids(perdure, *options, "--utc") == found
    (counted,) = perdure.json("count", *options, "--utc")
    assert counted["total"] == sum(counted["runtimeStatus"].values()) == len(found)


def test_a_list_comes_page_by_page(perdure: Any, filled: Path) -> None:
    code, out, hint = perdure.run("list", "--limit", "3", "--json")
    assert (code, out.count("\n")) == (0, 3)
    token = hint.strip().rpartition("--after ")[2]
    assert ids(perdure, "--limit", "3", "--after", token) == ["b2"]
    assert ids(perdure, "--limit", "3", "--all") == ["a1", "a2", "b1", "b2"]


@pytest.mark.parametrize("command", [["list"], ["entity", "list"]])
def test_a_token_that_is_none_is_bad_input(perdure: Any, filled: Path, command: list[str]) -> None:
    said = perdure.refused(2, *command, "--after", "garbage")
    assert "'garbage' is not a continuation token of this store: give one" in said


def test_tables_show_times_in_utc_or_here(
    perdure: Any, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = perdure("list", "--utc", "--prefix", "a1").splitlines()[2].split()
    assert first[:5] == ["a1", "hello", "Completed", "1970-01-02", "00:00:00Z"]
    here = perdure("list", "--prefix", "a1").splitlines()[2].split()
    local = datetime.fromtimestamp(DAY / 1_000_000, UTC).astimezone()
    assert here[3:5] == [f"{local:%Y-%m-%d}", f"{local:%H:%M:%S}"]


def test_counts_are_a_table_for_people(perdure: Any, filled: Path) -> None:
    rows = [line.split() for line in perdure("count").splitlines()[2:]]
    assert rows == [["Running", "2"], ["Completed", "1"], ["Failed", "1"], ["total", "4"]]


def test_an_empty_answer_is_said(perdure: Any, filled: Path) -> None:
    assert perdure.run("list", "--prefix", "zz")[1:] == (
        "",
        f"perdure: nothing matches in {filled}\n",
    )
