"""The program that is killed: works on one store and records what it asked and was told.

python workload.py load|finish URL HISTORY BACKEND LIFE

`load` works until it is killed; `finish` lets everything come to its end. HISTORY is the file that
this life writes. PERDURE_TEST_CLOCK in the environment is by how many seconds the clock is off.
"""

import os
import sys
from pathlib import Path

import anyio
from attrs import evolve

sys.path.insert(0, str(Path(__file__).parents[1] / "services"))

from crash_app import LAST, Ran, app
from crash_load import Load, Way, finished
from perdure import Client, Runtime
from perdure.runtime.clock import SystemClock
from perdure.runtime.host import real_seams
from perdure.testing.checking import History, recorded


class WrongClock(SystemClock):
    """The machine's clock, off by some seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._off = int(os.environ.get("PERDURE_TEST_CLOCK", "0")) * 1_000_000

    def now(self) -> int:
        return super().now() + self._off


def runtime_over(store: str) -> Runtime:
    return Runtime(app, store=store, seams=evolve(real_seams(), clock=WrongClock()))


async def load(store: str, history: History, life: str) -> None:
    async with runtime_over(store) as runtime, Client(store, app) as outside:
        work = Load(life, [Way(runtime.client, outside=False), Way(outside, outside=True)], history)
        await work.prepare()
        sys.stdout.write("at work\n")
        sys.stdout.flush()
        await work.work()


async def finish(store: str, history: History, life: str) -> None:
    async with runtime_over(store) as runtime:
        await finished(recorded(runtime.client, history, life))
        # Signals that were sent at the end of an orchestration are there when this is.
        await runtime.client.entity(Ran, "ran").call(Ran.note, LAST)


def main() -> None:
    task, store, path, backend, life = sys.argv[1:]
    tasks = {"load": load, "finish": finish}
    anyio.run(tasks[task], store, History.on_file(path), life, backend=backend)


if __name__ == "__main__":
    main()
