"""The commands that change what runs."""

from typing import Any

import pytest

from perdure import Status
from perdure.persistence.records import InstanceRow


@pytest.fixture
def waiting(perdure: Any, hub: Any) -> str:
    perdure("start", "waits", '"a"', "--id", "x")
    hub.until("x", Status.RUNNING)
    return "x"


def test_an_event_ends_the_wait(perdure: Any, hub: Any, waiting: str) -> None:
    assert perdure("raise", "x", "go", '"b"') == "raised x\n"
    hub.until("x", Status.COMPLETED)
    assert perdure.json("status", "x")[0]["output"] == "a b"
    assert "it is Completed" in perdure.refused(4, "raise", "x", "go")


def test_suspended_instances_go_on_when_resumed(perdure: Any, hub: Any, waiting: str) -> None:
    assert perdure.json("suspend", "x", "--reason", "lunch") == [
        {"instanceId": "x", "done": "suspended"}
    ]
    hub.until("x", Status.SUSPENDED)
    assert perdure("resume", "x") == "resumed x\n"
    hub.until("x", Status.RUNNING)
    assert "cannot resume instance 'x': it is Running" in perdure.refused(4, "resume", "x")


def test_termination_has_a_reason(perdure: Any, hub: Any, waiting: str) -> None:
    perdure("terminate", "x", "--reason", "enough")
    hub.until("x", Status.TERMINATED)
    assert perdure.json("status", "x")[0]["output"] == "enough"


def test_children_are_terminated_when_asked(perdure: Any, hub: Any) -> None:
    perdure("start", "parent", '"c"', "--id", "p")
    hub.until("p", Status.RUNNING)
    perdure("terminate", "p", "--recursive")
    hub.until("p", Status.TERMINATED)
    hub.until("c", Status.TERMINATED)


def test_many_are_steered_by_one_command(perdure: Any, hub: Any, waiting: str) -> None:
    perdure("start", "waits", "--id", "y")
    code, out, errors = perdure.run("terminate", "x", "nope", "y")
    assert (code, out) == (3, "terminated x\nterminated y\n")
    assert errors.startswith("perdure: there is no instance 'nope'")
    hub.until("y", Status.TERMINATED)


def test_a_failed_instance_is_rewound(perdure: Any, hub: Any) -> None:
    perdure.run("start", "fails", "--id", "x", "--wait")
    first = perdure.json("status", "x")[0]["executionId"]

    def failed_again(row: InstanceRow) -> bool:
        return row.execution_id != first and row.status is Status.FAILED

    assert perdure("rewind", "x") == "rewound x\n"
    hub.when("x", failed_again)
    perdure.refused(3, "rewind", "y")


def test_a_restart_prints_the_new_id(perdure: Any, hub: Any) -> None:
    perdure("start", "hello", '["a"]', "--id", "x", "--wait")
    again = perdure("restart", "x").strip()
    hub.until(again, Status.COMPLETED)
    assert perdure.json("restart", "x", "--same-id") == [
        {"instanceId": "x", "done": "restarted", "newId": "x"}
    ]


def test_purging_by_id_deletes_for_good(perdure: Any, hub: Any, waiting: str) -> None:
    assert "it is Running" in perdure.refused(4, "purge", "x", "--yes")
    perdure("start", "hello", "[]", "--id", "y", "--wait")
    assert perdure("purge", "y", "--yes") == "1 instances deleted\n"
    assert perdure.refused(3, "status", "y")


@pytest.mark.parametrize(
    "options", [["--all"], ["--name", "hello"], ["--prefix", "h"], ["--version", ""]]
)
def test_purging_by_filter_spares_the_living(
    perdure: Any, hub: Any, waiting: str, options: list[str]
) -> None:
    for number in range(3):
        perdure("start", "hello", "[]", "--id", f"h{number}", "--wait")
    assert "would delete 3 instances" in perdure.refused(2, "purge", *options)
    assert perdure.json("purge", *options, "--yes") == [{"instancesDeleted": 3}]
    assert perdure.json("purge", *options, "--yes") == [{"instancesDeleted": 0}]
    assert [found["instanceId"] for found in perdure.json("list")] == ["x"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "say which: ids, filters such as --status Failed, or --all"),
        (["x", "--all"], "say which"),
        (["--status", "Running"], "only ended instances can be purged, not Running"),
        (["--status", "Failed", "--recursive"], "--recursive goes with ids"),
    ],
)
def test_an_unclear_purge_deletes_nothing(
    perdure: Any, hub: Any, options: list[str], complaint: str
) -> None:
    assert complaint in perdure.refused(2, "purge", *options, "--yes")


def test_a_purge_asks_before_it_deletes(
    perdure: Any, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.cli.purging._can_ask", lambda: True)
    perdure("start", "hello", "[]", "--id", "x", "--wait")
    code, _, asked = perdure.run("purge", "--all", given="n\n")
    assert (code, asked.endswith("perdure: nothing is deleted\n")) == (1, True)
    assert f"Delete 1 instances in {hub.path} for ever?" in asked
    assert perdure.run("purge", "--all", given="")[0] == 130
    assert perdure("purge", "x", given="y\n").endswith("1 instances deleted\n")


def test_entities_are_signaled_read_and_listed(perdure: Any, hub: Any) -> None:
    assert perdure("signal", "@Counter@k", "add", "3") == "signaled @counter@k\n"
    perdure("start", "adds", '"k"', "--wait")
    (found,) = perdure.json("entity", "read", "@counter@k")
    assert found["entityId"] == {"name": "counter", "key": "k"}
    assert (found["state"], found["exists"], found["lockedBy"]) == ({"value": 4}, True, None)
    assert perdure("entity", "read", "@counter@k").startswith("entity   @counter@k")
    listed = perdure.json("entity", "list", "--name", "counter", "--prefix", "k")
    assert [*listed[0]] == [*found]
    assert '@counter@k   {"value": 4}' in perdure("entity", "list")
    assert perdure("entity", "list", "--name", "other") == ""


def test_unknown_and_wrong_entities_are_told(perdure: Any, hub: Any) -> None:
    assert "there is no instance '@counter@zz'" in perdure.refused(
        3, "entity", "read", "@counter@zz"
    )
    said = perdure.refused(2, "entity", "read", "counter")
    assert "an entity id reads '@name@key', such as @counter@k1" in said
    assert "give --name" in perdure.refused(2, "entity", "list", "--prefix", "k")
