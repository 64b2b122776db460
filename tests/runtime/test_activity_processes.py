"""Activities in worker processes: what they are given, and how they fail."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perdure import (
    ActivityContext,
    App,
    OrchestrationContext,
    OrchestrationFailedError,
    RetryPolicy,
)
from perdure.testing import Environment


class Particular(Exception):
    """Cannot be unpickled: it takes more than its arguments."""

    non_retriable = True

    def __init__(self, account: str, amount: int) -> None:
        super().__init__(f"{account} lacks {amount}")


def knows(context: ActivityContext) -> list[Any]:
    told = [context.name, context.attempt, dict(context.tags), context.cancelled()]
    return [*told, os.getpid()]


def raises() -> None:
    raise Particular("savings", 5)


def dies() -> None:
    os._exit(3)


def cannot_be_sent() -> Any:
    return lambda: None


def no_json() -> Any:
    return {"inner": {1, 2}, "object": object}


async def outcome(function: Any, attempts: int = 1, **options: Any) -> Any:
    app = App()
    app.activity(executor="process", retry=RetryPolicy(max_attempts=attempts))(function)

    @app.orchestration
    async def calls(ctx: OrchestrationContext) -> Any:
        return await ctx.call_activity(function, **options)

    async with Environment(app, patience=10.0) as env:
        return await (await env.client.start_new(calls)).result()


async def test_a_process_receives_the_context() -> None:
    *told, process = await outcome(knows, tags={"k": "v"})
    assert told == ["knows", 1, {"k": "v"}, False]
    assert process != os.getpid()


async def test_any_exception_comes_out_of_a_process() -> None:
    with pytest.raises(OrchestrationFailedError, match="savings lacks 5") as caught:
        await outcome(raises, attempts=3)
    details = caught.value.details
    assert details is not None
    assert details.is_caused_by(Particular)
    assert details.inner is not None
    assert details.inner.non_retriable
    assert "in raises" in (details.inner.stack or "")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (dies, "the worker process died while it ran activity 'dies'"),
        (cannot_be_sent, r"the result of cannot_be_sent \(function\) cannot be sent"),
        (no_json, r"result of no_json\.object"),
    ],
    ids=["dies", "unpicklable", "no JSON"],
)
async def test_failures_of_a_process_are_told_clearly(function: Any, message: str) -> None:
    with pytest.raises(OrchestrationFailedError, match=message):
        await outcome(function)


def interrupts() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("executor", ["thread", "process"])
async def test_an_interrupt_elsewhere_is_the_activitys_failure(executor: Any) -> None:
    app = App()
    app.activity(executor=executor)(interrupts)

    @app.orchestration
    async def calls(ctx: OrchestrationContext) -> None:
        await ctx.call_activity(interrupts)

    async with Environment(app, patience=10.0) as env:
        with pytest.raises(OrchestrationFailedError, match="KeyboardInterrupt"):
            await (await env.client.start_new(calls)).result()


PROGRAM = Path(__file__).with_name("process_program.py")


@pytest.mark.parametrize(
    ("start", "ending"),
    [("exit", r"\(exit code 7\)"), ("raise", r"\(RuntimeError\('no second program'\)\)")],
)
def test_a_main_module_that_cannot_be_imported_is_named(
    anyio_backend: tuple[str, object], start: str, ending: str
) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, anyio_backend[0], ""],
        env=os.environ | {"WORKER_START": start},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    advice = rf"importing the main module .*process_program\.py {ending}: put .*__main__"
    assert re.search(advice, done.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="a group gets no Ctrl-C there")
@pytest.mark.parametrize("whole_group", [True, False])
@pytest.mark.parametrize("at_work", [True, False])
def test_an_interrupted_program_ends_at_once(
    anyio_backend: tuple[str, object], tmp_path: Path, at_work: bool, whole_group: bool
) -> None:
    """Also when worker processes are idle or at work, and a thread is there."""
    pipe = str(tmp_path / "pipe") if at_work else ""
    if at_work:
        os.mkfifo(pipe)
    with subprocess.Popen(
        [sys.executable, PROGRAM, anyio_backend[0], pipe],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as program:
        assert program.stdout is not None
        told = [program.stdout.readline() for _ in range(2)]
        (os.killpg if whole_group else os.kill)(program.pid, signal.SIGINT)
        rest, _ = program.communicate(timeout=30)
    assert (told, rest) == (["worked\n", "waiting\n"], "left\n")
    assert program.returncode != 0


def test_an_interrupt_on_the_loop_ends_the_program(anyio_backend: tuple[str, object]) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, anyio_backend[0], "interrupt"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "worked\nleft\n"
    assert done.stderr.endswith("KeyboardInterrupt\n")
