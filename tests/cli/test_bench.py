"""`perdure bench`: what a program's own orchestration costs."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from perdure.cli.bench.floor import Log, Step, Write
from perdure.runtime.lanes import loop_door

pytestmark = pytest.mark.usefixtures("at_the_shop")

BACKENDS = ["asyncio", "asyncio+uvloop", "trio"]
FEW = ["--count", "6", "--concurrency", "3"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_figures_are_those_of_the_load(perdure: Any, backend: str) -> None:
    given = ["--input", '["a", "b"]', "--backend", backend]
    (row,) = perdure.json("bench", "shop:app", "hello", *given, *FEW)
    assert (row["workload"], row["store"], row["backend"]) == ("hello", "sqlite", backend)
    assert (row["n"], row["concurrency"]) == (6, 3)
    # Start, two calls with their outcomes, end.
    assert (row["events"], row["extra"]) == (6 * 6, {"turns": 3.0})
    assert row["commits"] >= 3
    assert row["bytesWritten"] > 0
    assert row["floorRatio"] == pytest.approx(row["perSecond"] / row["floorPerSecond"], abs=1e-3)


def test_the_floor_stands_below_the_load(perdure: Any) -> None:
    heading, _, load, floor = perdure("bench", "shop:app", "nothing", *FEW).strip().splitlines()
    assert heading.split()[:3] == ["workload", "store", "backend"]
    assert heading.split()[-2:] == ["of", "floor"]
    assert (load.split()[0], floor.split()[0]) == ("nothing", "floor")


def test_a_childs_events_count_too(perdure: Any) -> None:
    (row,) = perdure.json("bench", "shop:app", "passes_on", "--input", '"a"', *FEW)
    assert (row["events"], row["extra"]) == (6 * (4 + 4), {"turns": 4.0})


def test_the_store_of_the_program_is_left_alone(perdure: Any, path: Path) -> None:
    perdure("bench", "shop:runtime", "nothing", *FEW)
    assert not path.exists()


def test_a_named_store_keeps_the_instances(perdure: Any, path: Path) -> None:
    code, _, said = perdure.run("bench", "shop:app", "nothing", "--store", str(path), *FEW)
    assert code == 0
    prefix = said.split("--prefix ")[1].split()[0]
    assert f"the instances stay in {path}" in said
    assert {name.name for name in path.parent.iterdir() if "floor" in name.name} == set()
    assert perdure("purge", "--prefix", prefix, "--yes") == "6 instances deleted\n"


def test_memory_writes_no_bytes(perdure: Any) -> None:
    (row,) = perdure.json("bench", "shop:app", "nothing", "--store", "memory://", *FEW)
    assert (row["store"], row["bytesWritten"], row["bytesPerEvent"]) == ("memory", None, None)


def test_a_server_tells_how_much_it_wrote(perdure: Any, hub_url: str) -> None:
    (row,) = perdure.json("bench", "shop:app", "nothing", "--store", hub_url, *FEW)
    assert row["store"] == "postgresql"
    assert row["bytesWritten"] > 0


def test_failures_are_told_with_the_figures(perdure: Any) -> None:
    code, shown, said = perdure.run("bench", "shop:app", "fails", *FEW)
    assert code == 1
    assert "of floor" in shown
    assert "6 of 6 failed, the first: instance 'bench-" in said
    assert "no luck" in said


def test_what_does_not_end_is_named(perdure: Any) -> None:
    said = perdure.refused(5, "bench", "shop:app", "waits", "--timeout", "0.2", *FEW)
    assert "0 of 6 had ended after 0.2 s; bench-" in said
    assert "waits for event go" in said


def test_no_time_at_all_gives_no_figures(perdure: Any) -> None:
    said = perdure.refused(5, "bench", "shop:app", "nothing", "--timeout", "0", *FEW)
    assert "0 of 6 had ended after 0.0 s; the others had not begun" in said


def test_the_floor_has_as_many_in_flight(perdure: Any) -> None:
    given = ["--count", "3", "--concurrency", "90", "--store", "memory://"]
    _, _, *rows = perdure("bench", "shop:app", "nothing", *given).strip().splitlines()
    assert [row.split()[4] for row in rows] == ["3", "3"]


async def test_a_log_ends_with_steps_left() -> None:
    opened, written = threading.Event(), list[list[Step]]()

    @contextmanager
    def opening() -> Generator[Write]:
        opened.wait()
        yield written.append

    log = Log(opening, loop_door())
    async with anyio.create_task_group() as group:
        group.start_soon(log.step, "a", 0)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        # The step and the end are both there when the thread looks.
        threading.Timer(0.01, opened.set).start()
        log.close()
    assert written == [[("a", 0)]]


@pytest.mark.parametrize(
    ("code", "arguments", "complaint"),
    [
        (3, ["nowhere"], "no orchestration 'nowhere' is registered"),
        (2, ["hello", "--input", "5"], "--input (list)"),
        (2, ["hello", "--input", "[1"], "--input is no JSON"),
        (2, ["nothing", "--backend", "curio"], "there is no backend 'curio', only asyncio"),
        (2, ["nothing", "--count", "0"], "--count"),
        (2, ["nothing", "--url", "http://here"], "leave --url out"),
    ],
)
def test_a_bad_wish_is_refused(
    perdure: Any, code: int, arguments: list[str], complaint: str
) -> None:
    assert complaint in perdure.refused(code, "bench", "shop:app", *arguments)
