"""The same commands over a hub in PostgreSQL."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from anyio.from_thread import start_blocking_portal

from perdure import App, Runtime, Status, StoreError
from perdure.actors.repertoire import Needed, written
from perdure.http import Keys, management_site
from perdure.persistence.contract.rows import FIRST, Owner, entity, instance, message
from perdure.persistence.opening import open_store
from perdure.persistence.postgres_address import read_address
from perdure.persistence.records import Commit, Errand, Shared, TimerRow
from perdure.persistence.sharing import is_shared

CHECKS = ["server", "settings", "transactions", "schema", "partitions", "contents",
          "owner", "parked", "overdue", "locks", "logs", "replies", "shared"]  # fmt: skip


@pytest.fixture
def place(hub_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A hub, which commands take when none is named."""
    monkeypatch.setenv("PERDURE_STORE", hub_url)
    return hub_url


@pytest.fixture
def empty(place: str) -> str:
    """It has been made, and nobody runs it."""
    open_store(place).close()
    return place


@pytest.fixture
def running(place: str, app: App) -> Iterator[Runtime]:
    """A runtime over it."""
    with start_blocking_portal() as portal:
        runtime = Runtime(app, place, poll_interval=0.005)
        with portal.wrap_async_context_manager(runtime):
            yield runtime


def until(perdure: Any, instance_id: str, *statuses: Status) -> None:
    wanted = {status.label for status in statuses}
    for _ in range(2_000):
        if perdure.json("status", instance_id)[0]["runtimeStatus"] in wanted:
            return
    raise AssertionError(f"{instance_id} does not get there")


def findings(perdure: Any, code: int) -> dict[str, Any]:
    actual, out, errors = perdure.run("doctor", "--json")
    assert actual == code, errors
    return {line["check"]: line for line in map(json.loads, out.splitlines())}


def test_work_is_started_looked_at_and_steered(perdure: Any, running: Runtime) -> None:
    assert perdure("start", "hello", '["a"]', "--id", "h", "--wait") == '["Hello, a!"]\n'
    perdure("start", "waits", '"x"', "--id", "w", "--tag", "k=v")
    until(perdure, "w", Status.RUNNING)
    assert [found["instanceId"] for found in perdure.json("list", "--tag", "k=v")] == ["w"]
    assert perdure.json("count")[0]["total"] == 2
    assert "event go: `perdure raise w go DATA` brings it" in perdure("why", "w")
    assert "activity greet" in perdure("gantt", "h")
    perdure("raise", "w", "go", '"y"')
    assert perdure.json("status", "w", "--watch")[-1]["output"] == "x y"
    assert perdure("purge", "w", "--yes") == "1 instances deleted\n"
    assert perdure.json("purge", "--all", "--yes") == [{"instancesDeleted": 1}]


def test_entities_are_signaled_and_read(perdure: Any, running: Runtime) -> None:
    perdure("signal", "@counter@k", "add", "3")
    assert perdure("start", "adds", '"k"', "--wait") == "4\n"
    assert perdure.json("entity", "read", "@counter@k")[0]["state"] == {"value": 4}
    assert len(perdure.json("entity", "list", "--prefix", "k", "--name", "counter")) == 1
    assert perdure("entity", "clean") == "0 locks released\n"


def test_a_living_owner_is_known(perdure: Any, running: Runtime) -> None:
    code, _, errors = perdure.run("start", "waits", "--id", "w")
    assert (code, errors) == (0, "")
    found = findings(perdure, 0)
    assert [*found] == CHECKS
    assert {line["level"] for line in found.values()} == {"ok"}
    assert "runs 32 of 32 partitions" in found["owner"]["message"]


def test_workers_are_listed_with_their_partitions(perdure: Any, running: Runtime) -> None:
    (worker,) = perdure.json("workers")
    assert worker["partitions"] == [*range(32)]
    assert worker["alive"]
    assert f"pid {os.getpid()}" in worker["name"]
    shown = perdure("workers").splitlines()[2]
    assert "0-31" in shown


def test_shared_activities_are_listed_below_the_workers(perdure: Any, empty: str) -> None:
    with closing(open_store(empty)) as store:
        assert is_shared(store)
        asked = Errand(store.partition_of("i"), 9, "i", "e", 1, 1, "render", 0)
        store.commit(Commit(0, shared=Shared({}, errands=[asked])))
    (queue,) = perdure.json("workers")
    assert queue.pop("waitedSeconds") > 0
    assert queue == {"activity": "render", "waiting": 1, "taken": 0, "workers": []}
    head, _, row = perdure("workers").splitlines()
    assert head.startswith("SHARED ACTIVITY")
    assert row.startswith("render")
    assert row.rstrip().endswith("none has it")


@pytest.mark.parametrize(
    ("asked_for", "code", "level", "told"),
    [
        ("greet", 1, "problem", "are busy: start more workers, or let them run more at a time"),
        ("render", 1, "problem", "no worker has render: start one that does"),
        (None, 0, "ok", "no shared activity waits, 0 are being run"),
    ],
)
def test_doctor_tells_what_waits_too_long(
    perdure: Any, empty: str, asked_for: str | None, code: int, level: str, told: str
) -> None:
    with closing(open_store(empty)) as store:
        assert is_shared(store)
        has = written([Needed("activity", "greet"), Needed("entity", "render")])
        store.enter(60, 1, has).beat()
        if asked_for is not None:
            asked = Errand(store.partition_of("i"), 9, "i", "e", 1, 1, asked_for, 0)
            store.commit(Commit(0, shared=Shared({}, errands=[asked])))
        found = findings(perdure, code)["shared"]
        assert found["level"] == level
        assert told in (found["fix"] or found["message"])


def test_doctor_lets_the_queue_wait_for_a_worker(perdure: Any, empty: str) -> None:
    with closing(open_store(empty)) as store:
        assert is_shared(store)
        asked = Errand(store.partition_of("i"), 9, "i", "e", 1, 1, "render", 0)
        store.commit(Commit(0, shared=Shared({}, errands=[asked])))
    found = findings(perdure, 0)["shared"]
    assert found["level"] == "note"
    assert found["message"].startswith("1 of render wait, the first for ")


def test_doctor_refuses_partitions_as_runtimes_do(
    perdure: Any, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_STORE", f"{empty}&partitions=32")
    assert findings(perdure, 0)["partitions"]["message"].startswith("32, which was fixed")
    monkeypatch.setenv("PERDURE_STORE", f"{empty}&partitions=7")
    found = findings(perdure, 1)["partitions"]
    assert found["level"] == "problem"
    assert found["message"].startswith("the hub has 32, but the URL says partitions=7: a runtime")
    assert "leave partitions= out of the URL" in found["fix"]
    with pytest.raises(StoreError, match=r"has 32 partitions.*leave partitions=7 out"):
        open_store(f"{empty}&partitions=7")


def test_a_killed_worker_has_an_ended_lease(perdure: Any, empty: str) -> None:
    with closing(open_store(empty)) as store:
        assert is_shared(store)
        store.enter(0.002, 0.001).beat()
        # Closing it would leave in order.
        (worker,) = perdure.json("workers")
        assert not worker["alive"]
        assert worker["leaseSeconds"] < 0
        assert perdure("workers").splitlines()[2].rstrip().endswith("ended")


def test_workers_of_a_service_are_the_same(
    perdure: Any, place: str, app: App, listening: Any
) -> None:
    with start_blocking_portal() as portal:
        runtime = Runtime(app, place, worker_lease=60)
        site = management_site(runtime, keys=Keys(full="all", read_only="look"))
        with (
            portal.wrap_async_context_manager(runtime),
            portal.wrap_async_context_manager(listening(site)) as url,
        ):
            (of_store,) = perdure.json("workers")
            (of_service,) = perdure.json("workers", "--url", url, "--key", "look")
    moving = {"silentSeconds", "leaseSeconds", "since"}
    assert of_store.keys() == of_service.keys()
    assert {k: of_store[k] for k in of_store.keys() - moving} == {
        k: of_service[k] for k in of_service.keys() - moving
    }


def test_a_hub_that_nobody_runs_has_no_workers(perdure: Any, empty: str, path: Path) -> None:
    code, out, errors = perdure.run("workers")
    assert (code, out) == (0, "")
    assert errors.startswith("perdure: no runtime runs postgresql://")
    owner = Owner(open_store(path))
    (worker,) = perdure.json("workers", "--store", str(path))
    owner.store.close()
    assert (worker["name"], worker["partitions"]) == (f"pid {os.getpid()}", None)


def test_a_start_without_a_runtime_says_so(perdure: Any, empty: str) -> None:
    code, out, errors = perdure.run("start", "waits", "--id", "w")
    assert (code, out) == (0, "w\n")
    assert errors.startswith("perdure: no runtime runs postgresql://")
    assert findings(perdure, 0)["owner"]["level"] == "note"


def test_what_is_stuck_is_a_problem(perdure: Any, empty: str) -> None:
    owner = Owner(open_store(empty))
    owner.commit(
        instances={"x": instance("x"), "p": instance("p", parked='{"reason": "engine error"}')},
        entities={"@c@k": entity("@c@k", locked_by="gone")},
        timers_set=[TimerRow("x", 1, FIRST, 1)],
        sent=[message("x", 1)],
        replies={"r": "{}"},
    )
    found = findings(perdure, 1)
    owner.store.close()
    assert found["parked"]["message"] == "1: p (engine error)"
    assert found["overdue"]["message"].startswith("1: x since 1970")
    assert found["locks"]["message"] == "1: @c@k by gone (which is gone)"
    assert found["contents"]["message"].startswith("2 orchestrations (2 Running), 1 entities")


def test_another_schema_is_a_problem(perdure: Any, empty: str) -> None:
    address = read_address(empty)
    options = f"-c search_path={address.hub}"
    with psycopg.connect(**address.parameters, options=options, autocommit=True) as link:
        link.execute("UPDATE migration SET version = version + 70")
        try:
            found = findings(perdure, 1)
            assert "run the newer Perdure" in perdure.refused(1, "list")
        finally:
            link.execute("UPDATE migration SET version = version - 70")
    assert found["schema"]["fix"].startswith("use the newer Perdure")
    assert "contents" not in found


def test_copies_go_from_one_kind_to_the_other(
    perdure: Any, running: Runtime, tmp_path: Path
) -> None:
    perdure("start", "holds", '"k"', "--id", "x")
    until(perdure, "x", Status.RUNNING)
    archive, other = str(tmp_path / "all.jsonl"), str(tmp_path / "other.db")
    perdure("export", "-o", archive)
    assert perdure.json("import", archive, "--store", other) == [{"imported": 2, "skipped": 0}]
    assert perdure.json("gantt", "x", "--store", other) == perdure.json("gantt", "x")
    said = perdure.refused(4, "import", archive)
    assert "@counter@k, x can go on, and a runtime that runs postgresql://" in said


def test_an_import_makes_a_hub(perdure: Any, place: str, path: Path) -> None:
    owner = Owner(open_store(path))
    owner.keep(instance("x"))
    owner.store.close()
    archive = perdure("export", "--store", str(path))
    assert "1 imported into postgresql://" in perdure("import", "-", given=archive)
    assert perdure("export") == archive


def test_backups_are_the_servers_own(perdure: Any, empty: str) -> None:
    said = perdure.refused(2, "backup", "copy.db")
    assert f"`pg_dump --schema={read_address(empty).hub}` copies it" in said


@pytest.mark.parametrize("command", [["list"], ["start", "hello"], ["doctor"], ["export"]])
def test_a_mistyped_hub_is_not_made(perdure: Any, place: str, command: list[str]) -> None:
    mistyped = place.replace("hub=", "hub=mistyped_")
    for _ in range(2):
        said = perdure.refused(3, *command, "--store", mistyped)
        assert "there is no hub mistyped_" in said


@pytest.mark.parametrize(
    "command",
    [["list"], ["start", "hello"], ["status", "x"], ["doctor"], ["export"], ["backup", "x"],
     ["purge", "--all", "--yes"], ["import", "-"]],
)  # fmt: skip
def test_no_output_shows_a_password(
    perdure: Any, place: str, tmp_path: Path, command: list[str]
) -> None:
    nowhere = f"postgresql://me:secret@/db?host={tmp_path}&password=secret&hub=h"
    for store in (nowhere, "postgresql://me:sec@secret@/db", "mysql://me:secret@host/db"):
        code, out, errors = perdure.run(*command, "--store", store, given="")
        assert code != 0
        assert "secret" not in out + errors
        assert errors.count("\n") == 1


def test_without_psycopg_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "psycopg.py").write_text("raise ModuleNotFoundError(name='psycopg')")
    (tmp_path / "app.py").write_text("from perdure import App; app = App('a')")
    for command in (["list"], ["doctor"], ["export"], ["run", "app:app"], ["start", "x"]):
        ran = subprocess.run(
            [sys.executable, "-m", "perdure", *command, "--store", "postgresql://me:pw@h/db"],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert ran.returncode == 1
        assert ran.stderr.startswith("perdure: postgresql:// needs psycopg")
        assert "pip install 'perdure[postgres]'" in ran.stderr
        assert ran.stderr.count("\n") == 1


def test_the_shell_offers_what_a_hub_holds(
    perdure: Any, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner(open_store(empty))
    owner.keep(*(instance(key) for key in ("a1", "a2", "b1")))
    owner.store.close()
    monkeypatch.setenv("_PERDURE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "perdure status a")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert sorted(perdure().split()) == ["a1", "a2"]


def test_code_is_checked_against_a_hub(perdure: Any, running: Runtime, at_the_shop: None) -> None:
    perdure("start", "waits", "--id", "w")
    assert "1 orchestrations and 0 entities were checked; all fit" in perdure("check", "shop:app")
    assert perdure.run("check", "shop:closed")[0] == 1
