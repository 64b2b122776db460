"""A worker process of the multi-process suite, and the client that loads it.

python worker.py work URL BACKEND
python worker.py load URL BACKEND HISTORY
python worker.py finish URL BACKEND HISTORY

`work` and `load` go on until the end of their input. `load` starts and sends through the store
alone, and says after every twentieth request that it was acknowledged. `finish` is a worker that
lets everything end. HISTORY is the file in which a client records what it asks and is told.
"""

import sys
from itertools import count
from pathlib import Path
from typing import Any

import anyio

sys.path.insert(0, str(Path(__file__).parents[1] / "services"))

from crash_app import LAST, Ran, app
from crash_load import Load, Way, finished
from perdure import Client, Runtime
from perdure.testing.checking import History, recorded

CALLERS = 12


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def end_of_input() -> None:
    await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


async def work(url: str) -> None:
    async with Runtime(app, store=url):
        say("at work")
        await end_of_input()


async def load(url: str, path: str) -> None:
    acknowledged = count(1)

    def progress() -> None:
        if next(acknowledged) % 20 == 0:
            say("twenty more")

    async with Client(url, app) as client, anyio.create_task_group() as group:
        ways = [Way(client, outside=True)]
        callers = Load("load", ways, History.on_file(path), progress, CALLERS)
        await callers.prepare()
        group.start_soon(callers.work)
        await end_of_input()
        group.cancel_scope.cancel()


async def finish(url: str, path: str) -> None:
    async with Runtime(app, store=url) as runtime:
        history = History.on_file(path)
        await finished(recorded(runtime.client, history, "end", outside=True))
        # Signals that were sent at the end of an orchestration are there when this is.
        await runtime.client.entity(Ran, "ran").call(Ran.note, LAST)
        if left := await runtime.client.queues():
            raise SystemExit(f"shared activities are left: {left}")


def main() -> None:
    task, url, backend, *more = sys.argv[1:]
    tasks: dict[str, Any] = {"work": work, "load": load, "finish": finish}
    anyio.run(tasks[task], url, *more, backend=backend)


if __name__ == "__main__":
    main()
