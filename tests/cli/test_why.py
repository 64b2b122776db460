"""`perdure why`: what is waited for, behind it, and what to do."""

from pathlib import Path
from typing import Any

from perdure import App, Status
from perdure.actors.entity import Lock
from perdure.actors.moments import moment
from perdure.cli.printing import Printer
from perdure.cli.why import Inquiry, answer_document
from perdure.persistence.contract.rows import Owner, entity, instance
from perdure.persistence.sqlite import SQLiteStore
from perdure.runtime.client.views import Waiting, instance_status

KEYS = ["instanceId", "runtimeStatus", "remarks", "parked", "waitingFor"]


def running(perdure: Any, hub: Any, name: str, *arguments: str, id: str = "x") -> Any:  # noqa: A002
    perdure("start", name, *arguments, "--id", id)
    hub.until(id, Status.RUNNING)


def reasons(perdure: Any, actor_id: str) -> list[Any]:
    (answer,) = perdure.json("why", actor_id)
    assert [*answer] == KEYS
    found: list[Any] = answer["waitingFor"]
    return found


def test_an_event_is_named_with_its_command(perdure: Any, hub: Any) -> None:
    running(perdure, hub, "waits")
    assert "`perdure raise x go DATA` brings it" in perdure("why", "x")
    (reason,) = reasons(perdure, "x")
    assert (reason["kind"], reason["name"], reason["because"]) == ("event", "go", None)


def test_commands_quote_ids_with_spaces(perdure: Any, hub: Any) -> None:
    running(perdure, hub, "waits", id="two words")
    assert "`perdure raise 'two words' go DATA` brings it" in perdure("why", "two words")


def test_a_timer_is_told_with_its_time(perdure: Any, hub: Any) -> None:
    running(perdure, hub, "sleeps")
    (reason,) = reasons(perdure, "x")
    assert reason["kind"] == "timer"
    assert reason["due"][:10] in perdure("why", "x", "--utc")


def test_a_child_is_asked_in_turn(perdure: Any, hub: Any) -> None:
    running(perdure, hub, "parent", '"c"')
    hub.until("c", Status.RUNNING)
    (reason,) = reasons(perdure, "x")
    assert reason["because"]["instanceId"] == "c"
    assert reason["because"]["waitingFor"][0]["kind"] == "event"


def test_a_lock_leads_to_its_holder(perdure: Any, hub: Any) -> None:
    running(perdure, hub, "holds", '"k"', id="first")
    perdure("signal", "@counter@k", "add", "1")
    running(perdure, hub, "holds", '"k"', id="second")
    shown = [line.strip("│├└─ ") for line in perdure("why", "second").splitlines()]
    assert shown[1].startswith("waits for the lock of @counter@k")
    assert shown[1].endswith("which first holds")
    assert shown[2] == "first is Running"
    (reason,) = reasons(perdure, "@counter@k")
    assert reason["holder"] == reason["because"]["instanceId"] == "first"


def test_a_retry_tells_the_last_failure(perdure: Any, hub: Any) -> None:
    perdure("start", "retries", "--id", "x")
    hub.recorded("x", "TaskFailed")
    (reason,) = reasons(perdure, "x")
    assert (reason["kind"], reason["attempt"]) == ("retry", 2)
    assert "(attempt 2): last failure ValueError: not today" in reason["text"]


def test_suspension_and_parking_name_the_way_out(perdure: Any, hub: Any) -> None:
    running(perdure, hub, "waits")
    perdure("suspend", "x")
    hub.until("x", Status.SUSPENDED)
    assert "`perdure resume x`" in perdure("why", "x")
    perdure.run("start", "unknown", "--id", "y", "--wait")
    (answer,) = perdure.json("why", "y")
    assert answer["parked"]["reason"] == "missing definition"
    assert "no orchestration 'unknown' is registered" in answer["waitingFor"][0]["text"]


def test_the_ended_say_how(perdure: Any, hub: Any) -> None:
    perdure.run("start", "fails", "--id", "x", "--wait")
    assert "it is Failed since" in perdure("why", "x")
    assert "`perdure rewind x` tries again" in perdure("why", "x")


def test_a_store_that_nobody_runs_is_told(perdure: Any, path: Path) -> None:
    owner = Owner(SQLiteStore(path))
    owner.keep(instance("x", status=Status.PENDING), instance("y"))
    owner.commit(
        entities={
            "@c@k": entity("@c@k", locked_by="gone", lock=Lock("s", "gone").write()),
            "@c@free": entity("@c@free"),
        }
    )
    owner.store.close()
    assert f"no runtime runs {path}" in perdure("why", "x")
    assert "its start: a runtime has yet to take it up" in perdure("why", "x")
    assert "it waits for nothing: its code is about to go on" in perdure("why", "y")
    assert "`perdure entity clean` releases its locks" in perdure("why", "@c@k")
    assert "it waits for nothing but operations" in perdure("why", "@c@free")
    perdure.refused(3, "why", "nobody")
    assert perdure("entity", "clean") == "1 locks released\n"


class Circle:
    """A target where each waits for the next of its kind."""

    def __init__(self, size: int) -> None:
        self.size = size

    async def status(self, instance_id: str, *, waiting: bool) -> Any:
        following = (int(instance_id) + 1) % self.size
        found = Waiting("entity lock", "@c@k", since=moment(0), holder=str(following))
        status = instance_status(instance(instance_id), App().codec)
        status.waiting_for = [found]
        return status


async def remarks_at_the_end(size: int) -> tuple[int, list[str]]:
    target: Any = Circle(size)
    answer = answer_document(await Inquiry(target, Printer(True, None)).about("0"))
    depth = 0
    while answer["waitingFor"]:
        answer, depth = answer["waitingFor"][0]["because"], depth + 1
    return depth, answer["remarks"]


async def test_a_circle_is_recognised() -> None:
    depth, (remark,) = await remarks_at_the_end(3)
    assert depth == 3
    assert "a circle that only terminating one of them ends" in remark


async def test_a_long_chain_is_cut() -> None:
    assert await remarks_at_the_end(1_000) == (8, ["`perdure why 8` says more"])
