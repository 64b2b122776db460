"""A worker process of the multi-process suite, and the client that loads it.

python worker.py work URL BACKEND
python worker.py load URL BACKEND NOTES
python worker.py finish URL BACKEND

`work` and `load` go on until the end of their input. `load` starts and sends through the store
alone, notes what was acknowledged, and says so after every twentieth. `finish` is a worker that
lets everything end and prints, as JSON, what became of it.
"""

import json
import os
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import anyio
from attrs import Factory, define

from perdure import (
    App,
    Client,
    OrchestrationContext,
    Reuse,
    Runtime,
    Status,
    StoreError,
)

ACCOUNTS, LISTENERS, CALLERS = 6, 4, 12
BALANCE = 1_000

app = App("crowd")


@app.entity
@define
class Account:
    balance: int = BALANCE
    inside: str = ""
    clashes: int = 0

    def begin(self, who: str, amount: int) -> None:
        self.clashes += self.inside != ""
        self.inside = who
        self.balance += amount

    def end(self, who: str) -> None:
        self.clashes += self.inside != who
        self.inside = ""


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


def mark(ctx: OrchestrationContext) -> None:
    ctx.entity(Box, "ran").signal(Box.put, ctx.instance_id)


@app.orchestration
async def chain(ctx: OrchestrationContext) -> int:
    mark(ctx)
    total = 0
    for number in range(3):
        total += await ctx.call_activity(echo, number)
    return total


@app.orchestration
async def parent(ctx: OrchestrationContext) -> int:
    mark(ctx)
    children = [
        ctx.call_sub_orchestrator(chain, instance_id=f"{ctx.instance_id}-child{number}")
        for number in range(3)
    ]
    return sum(await ctx.task_all(children))


@app.orchestration
async def pause(ctx: OrchestrationContext) -> None:
    mark(ctx)
    for milliseconds in (5, 300):
        await ctx.create_timer(timedelta(milliseconds=milliseconds))


@app.orchestration
async def transfer(ctx: OrchestrationContext, source: str, target: str, amount: int) -> None:
    mark(ctx)
    first, second = ctx.entity(Account, source), ctx.entity(Account, target)
    async with ctx.lock_entities(first, second):
        await first.call(Account.begin, ctx.instance_id, -amount)
        await second.call(Account.begin, ctx.instance_id, amount)
        await ctx.call_activity(echo, amount)
        await first.call(Account.end, ctx.instance_id)
        await second.call(Account.end, ctx.instance_id)


@app.orchestration
async def listen(ctx: OrchestrationContext, heard: list[str]) -> list[str]:
    for _ in range(8):
        word = await ctx.wait_for_external_event("word", str)
        if word == "stop":
            return heard
        heard.append(word)
    ctx.continue_as_new(heard)
    return heard


class Load:
    """Callers that work side by side through the store."""

    def __init__(self, client: Client, notes: Path) -> None:
        self._client = client
        self._file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._chance = Random(1)  # noqa: S311 - not for secrets
        self._tried = self._acknowledged = 0

    def note(self, *words: str) -> None:
        os.write(self._file, (" ".join(words) + "\n").encode())
        if words[0] == "ack":
            self._acknowledged += 1
            if self._acknowledged % 20 == 0:
                say("twenty more")

    async def work(self) -> None:
        acts = self.start, self.start, self.tell, self.call
        while True:
            self._tried += 1
            try:
                await self._chance.choice(acts)(f"n{self._tried}")
            except (StoreError, TimeoutError):
                # Whether it has happened is unknown.
                await anyio.lowlevel.checkpoint()

    async def start(self, name: str) -> None:
        kind = self._chance.choice(("chain", "parent", "pause", "transfer", "transfer"))
        accounts = [str(number) for number in self._chance.sample(range(ACCOUNTS), 2)]
        given = (*accounts, self._chance.randrange(50)) if kind == "transfer" else ()
        self.note("try", "start", name)
        await self._client.start_new(kind, *given, instance_id=name, reuse=Reuse.NEVER)
        self.note("ack", "start", name)

    async def tell(self, name: str) -> None:
        listener = f"listener{self._chance.randrange(LISTENERS)}"
        self.note("try", "word", f"{listener}:{name}")
        await self._client.raise_event(listener, "word", f"{listener}:{name}")
        self.note("ack", "word", f"{listener}:{name}")

    async def call(self, name: str) -> None:
        self.note("try", "entry", name)
        await self._client.entity(Box, "calls").call(Box.put, name, timeout=30)
        self.note("ack", "entry", name)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def end_of_input() -> None:
    await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


async def work(url: str) -> None:
    async with Runtime(app, store=url):
        say("at work")
        await end_of_input()


async def load(url: str, notes: str) -> None:
    heard: list[str] = []
    async with Client(url, app) as client, anyio.create_task_group() as group:
        for number in range(LISTENERS):
            await client.start_new(listen, heard, instance_id=f"listener{number}")
        callers = Load(client, Path(notes))
        for _ in range(CALLERS):
            group.start_soon(callers.work)
        await end_of_input()
        group.cancel_scope.cancel()


async def finish(url: str) -> None:
    async with Runtime(app, store=url) as runtime:
        client = runtime.client
        for number in range(LISTENERS):
            await client.raise_event(f"listener{number}", "word", "stop")
        names = [status.instance_id async for status in client.query_all()]
        for name in names:
            await client.wait_for_completion(name, timeout=40)
        # Signals that were sent at the end of an orchestration.
        ran = await client.entity(Box, "ran").call("put", "last")
        assert ran is None
        say(json.dumps(await became(client)))


async def became(client: Client) -> dict[str, Any]:
    found = [status async for status in client.query_all()]
    accounts = [await client.entity(Account, str(n)).read() or Account() for n in range(ACCOUNTS)]
    boxes = {key: await client.entity(Box, key).read() or Box() for key in ("ran", "calls")}
    listeners = [status for status in found if status.instance_id.startswith("listener")]
    return {
        "not completed": [s.instance_id for s in found if s.runtime_status != Status.COMPLETED],
        "balances": sum(account.balance for account in accounts),
        "clashes": sum(account.clashes for account in accounts),
        "start": [s.instance_id for s in found if "-" not in s.instance_id and s not in listeners],
        "ran": [entry for entry in boxes["ran"].entries if entry != "last"],
        "ran twice": [n for n, times in Counter(boxes["ran"].entries).items() if times > 1],
        "entry": boxes["calls"].entries,
        "word": [word for status in listeners for word in status.output],
        "instances": len(found) - len(listeners),
    }


def main() -> None:
    task, url, backend, *more = sys.argv[1:]
    tasks: dict[str, Any] = {"work": work, "load": load, "finish": finish}
    anyio.run(tasks[task], url, *more, backend=backend)


if __name__ == "__main__":
    main()
