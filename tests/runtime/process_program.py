"""A program that uses threads and worker processes, and then waits to be interrupted."""

import os
import signal
import sys
from pathlib import Path

import anyio

from perdure import App, OrchestrationContext, PerdureError, Runtime

app = App("processes")

if __name__ != "__main__":
    match os.environ.get("WORKER_START"):
        case "exit":
            os._exit(7)
        case "raise":
            raise RuntimeError("no second program")
        case _:
            pass


@app.activity(executor="process")
def compute(pipe: str) -> None:
    """Return at once; with a named pipe tell there that it has begun, and never end."""
    if pipe:
        with Path(pipe).open("w", encoding="utf-8") as begun:
            begun.write("begun")
        while True:
            signal.pause()


@app.activity
def pause() -> None:
    """Leave an idle thread behind."""


@app.activity
async def interrupt() -> None:
    """Do what Ctrl-C does while an activity runs on the loop."""
    raise KeyboardInterrupt


@app.orchestration
async def work(ctx: OrchestrationContext, pipe: str) -> None:
    """Use both."""
    await ctx.call_activity(pause)
    if pipe == "interrupt":
        await ctx.call_activity(interrupt)
    await ctx.call_activity(compute, pipe)


def tell(text: str) -> None:
    """Say it to the test."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main(pipe: str) -> None:
    """Work once, begin anew, and wait."""
    async with Runtime(app, store="memory://", drain_timeout=0) as runtime:
        try:
            await (await runtime.client.start_new(work, "")).result()
        except PerdureError as error:
            tell(str(error))
            return
        tell("worked")
        if pipe == "interrupt":
            await (await runtime.client.start_new(work, pipe)).result()
        if pipe:
            await runtime.client.start_new(work, pipe)
            await anyio.Path(pipe).read_text("utf-8")
        tell("waiting")
        await anyio.sleep_forever()


if __name__ == "__main__":
    try:
        anyio.run(main, sys.argv[2], backend=sys.argv[1])
    finally:
        tell("left")
