"""Ctrl-C in the midst of a turn ends the program, and nothing of the turn has happened."""

import signal
from pathlib import Path

import anyio
import pytest

from perdure import App, OrchestrationContext, Runtime
from perdure.actors.anyio_backend import stepping


def pressed(app: App, place: Path, backend: str) -> bool:
    """Run an orchestration there; returns whether Ctrl-C has ended the run."""

    async def run() -> None:
        async with Runtime(app, store=place) as runtime:
            if await runtime.client.get_status("a") is None:
                await runtime.client.start_new("works", instance_id="a")
            with anyio.fail_after(10):
                assert await runtime.client.instance("a", str).result() == "done"

    try:
        anyio.run(run, backend=backend)
    except KeyboardInterrupt:
        return True
    except BaseExceptionGroup as group:
        if group.split(KeyboardInterrupt)[1] is not None:
            raise
        return True
    return False


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_ctrl_c_within_a_turn_fails_nothing(tmp_path: Path, backend: str) -> None:
    app, presses = App("interrupted"), [1, 2, 3]

    @app.activity
    async def step() -> None:
        """Do nothing."""

    @app.orchestration
    async def works(ctx: OrchestrationContext) -> str:
        await ctx.call_activity(step)
        if presses:
            presses.pop()
            signal.raise_signal(signal.SIGINT)
        await ctx.call_activity(step)
        return "done"

    ended = [pressed(app, tmp_path / "hub.db", backend) for _ in range(4)]
    assert (ended[0], ended[-1]) == (True, False)
    assert not stepping()
