"""The program that is killed: works on one store and notes what was acknowledged.

python workload.py load|finish URL NOTES BACKEND SEED SECONDS

`load` works until it kills itself after SECONDS; `finish` lets everything end and prints, as JSON,
what became of it. PERDURE_TEST_CLOCK in the environment is by how many seconds the clock is off.
"""

import json
import os
import signal
import sys
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import anyio
from attrs import Factory, define, evolve

from perdure import (
    App,
    Client,
    InstanceAlreadyExistsError,
    OrchestrationContext,
    Reuse,
    Runtime,
    Status,
    StoreError,
)
from perdure.actors.history import TaskCompleted
from perdure.runtime.clock import SystemClock
from perdure.runtime.host import real_seams

ACCOUNTS, LISTENERS, WORKERS = 6, 4, 24
EVENTS_PER_EXECUTION = 8

app = App("crash")


@app.entity
@define
class Account:
    balance: int = 1_000

    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance


@app.entity
@define
class Box:
    entries: list[str] = Factory(list[str])

    def put(self, entry: str) -> None:
        self.entries.append(entry)


@app.activity
async def echo(number: int) -> int:
    await anyio.lowlevel.checkpoint()
    return number


@app.orchestration
async def chain(ctx: OrchestrationContext) -> int:
    total = 0
    for number in range(4):
        total += await ctx.call_activity(echo, number)
    ctx.entity(Box, "ran").signal(Box.put, ctx.instance_id)
    return total


@app.orchestration
async def fan_out(ctx: OrchestrationContext) -> int:
    ctx.entity(Box, "ran").signal(Box.put, ctx.instance_id)
    parts = [ctx.call_activity(echo, number) for number in range(12)]
    parts.append(ctx.call_sub_orchestrator(chain, instance_id=f"{ctx.instance_id}-child"))
    return sum(await ctx.task_all(parts))


@app.orchestration
async def pause(ctx: OrchestrationContext) -> None:
    ctx.entity(Box, "ran").signal(Box.put, ctx.instance_id)
    for milliseconds in (5, 50, 200):
        await ctx.create_timer(timedelta(milliseconds=milliseconds))


@app.orchestration
async def transfer(ctx: OrchestrationContext, source: int, target: int, amount: int) -> None:
    ctx.entity(Box, "ran").signal(Box.put, ctx.instance_id)
    first, second = ctx.entity(Account, str(source)), ctx.entity(Account, str(target))
    async with ctx.lock_entities(first, second):
        await first.call(Account.add, -amount)
        await ctx.call_activity(echo, amount)
        await second.call(Account.add, amount)


@app.orchestration
async def listen(ctx: OrchestrationContext, heard: list[str]) -> list[str]:
    for _ in range(EVENTS_PER_EXECUTION):
        word = await ctx.wait_for_external_event("word", str)
        if word == "stop":
            return heard
        heard.append(word)
    ctx.continue_as_new(heard)
    return heard


class Notes:
    """What was tried and what was acknowledged, on disk before anything else happens."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, *words: str) -> None:
        os.write(self._file, (" ".join(words) + "\n").encode())
        os.fsync(self._file)


class Load:
    """Clients that work side by side."""

    def __init__(self, inside: Client, outside: Client, notes: Notes, seed: int) -> None:
        self.clients = inside, outside
        self.notes = notes
        self.chance = Random(seed)  # noqa: S311 - not for secrets
        self.run = str(seed)
        self.done = 0

    def name(self) -> str:
        self.done += 1
        return f"{self.run}.{self.done}"

    async def work(self) -> None:
        acts = self.start, self.start, self.start, self.raise_event, self.put, self.call
        while True:
            name = self.name()
            try:
                await self.chance.choice(acts)(self.chance.choice(self.clients), name)
            except StoreError:
                # Nobody knows what became of it, so that it is not repeated.
                self.notes.write("unknown", "request", name)

    async def start(self, client: Client, name: str) -> None:
        self.notes.write("try", "start", name)
        kind = self.chance.choice(("chain", "fan_out", "pause", "transfer"))
        source, target = self.chance.sample(range(ACCOUNTS), 2)
        inputs = (source, target, self.chance.randrange(50)) if kind == "transfer" else ()
        await client.start_new(kind, *inputs, instance_id=name, reuse=Reuse.NEVER)
        self.notes.write("ack", "start", name)

    async def raise_event(self, client: Client, name: str) -> None:
        listener = f"listener{self.chance.randrange(LISTENERS)}"
        word = f"{listener}:{name}"
        self.notes.write("try", "word", word)
        await client.raise_event(listener, "word", word)
        self.notes.write("ack", "word", word)

    async def put(self, client: Client, name: str) -> None:
        self.notes.write("try", "entry", name)
        await client.entity(Box, "signals").signal(Box.put, name)
        self.notes.write("ack", "entry", name)

    async def call(self, client: Client, name: str) -> None:
        self.notes.write("try", "entry", name)
        await client.entity(Box, "signals").call(Box.put, name)
        self.notes.write("ack", "entry", name)


class WrongClock(SystemClock):
    """The machine's clock, off by some seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._off = int(os.environ.get("PERDURE_TEST_CLOCK", "0")) * 1_000_000

    def now(self) -> int:
        return super().now() + self._off


def runtime_over(store: str) -> Runtime:
    return Runtime(app, store=store, seams=evolve(real_seams(), clock=WrongClock()))


async def load(store: str, notes: Notes, seed: int) -> None:
    async with runtime_over(store) as runtime, Client(store, app) as outside:
        heard: list[str] = []
        for number in range(LISTENERS):
            try:
                listener = f"listener{number}"
                start = runtime.client.start_new
                await start(listen, heard, instance_id=listener, reuse=Reuse.NEVER)
            except InstanceAlreadyExistsError:
                continue
        work = Load(runtime.client, outside, notes, seed)
        sys.stdout.write("at work\n")
        sys.stdout.flush()
        async with anyio.create_task_group() as group:
            for _ in range(WORKERS):
                group.start_soon(work.work)


async def finish(store: str) -> dict[str, Any]:
    async with runtime_over(store) as runtime:
        client = runtime.client
        for number in range(LISTENERS):
            await client.raise_event(f"listener{number}", "word", "stop")
        found = [status async for status in client.query_all()]
        for status in found:
            await client.wait_for_completion(status.instance_id)
    async with runtime_over(store) as runtime:
        return await became(runtime.client)


async def became(client: Client) -> dict[str, Any]:
    found = [status async for status in client.query_all()]
    twice = 0
    for status in found:
        history = await client.get_history(status.instance_id)
        recorded = Counter(
            item.event.task_id for item in history if isinstance(item.event, TaskCompleted)
        )
        twice += sum(times > 1 for times in recorded.values())
    accounts = [await client.entity(Account, str(n)).read() or Account() for n in range(ACCOUNTS)]
    boxes = {key: await client.entity(Box, key).read() or Box() for key in ("ran", "signals")}
    return {
        "not completed": [s.instance_id for s in found if s.runtime_status != Status.COMPLETED],
        "recorded twice": twice,
        "balances": [account.balance for account in accounts],
        "instances": [status.instance_id for status in found],
        "ran": boxes["ran"].entries,
        "entries": boxes["signals"].entries,
        "words": [w for s in found if s.instance_id.startswith("listener") for w in s.output],
    }


def main() -> None:
    task, store, notes, backend, seed, seconds = sys.argv[1:]
    if task == "finish":
        sys.stdout.write(json.dumps(anyio.run(finish, store, backend=backend)))
        return
    killer = threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGKILL))
    killer.daemon = True
    killer.start()
    anyio.run(load, store, Notes(Path(notes)), int(seed), backend=backend)


if __name__ == "__main__":
    main()
