"""The program of the other process: `python other_process.py <database> <command> [argument]`.

It prints one line of JSON. `own` runs the App until a line comes in.
"""

import sys
from typing import Any

import anyio
import anyio.to_thread
import orjson
from attrs import define

from perdure import App, Client, InstanceAlreadyExistsError, OrchestrationContext, Runtime

app = App("two")


@app.entity
@define
class Counter:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    def fail(self) -> None:
        self.value = -1
        raise ValueError("no")


@app.orchestration
async def waits(ctx: OrchestrationContext, text: str) -> str:
    return f"{text} {await ctx.wait_for_external_event('go', str)}"


@app.orchestration
async def holds(ctx: OrchestrationContext, key: str) -> str:
    async with ctx.lock_entities(ctx.entity(Counter, key)):
        return await ctx.wait_for_external_event("go", str)


async def race(client: Client, count: int) -> list[str]:
    """Start instances `race-0` and so on; returns which of them were ours."""
    won: list[str] = []
    for number in range(count):
        try:
            await client.start_new(waits, "theirs", instance_id=f"race-{number}")
        except InstanceAlreadyExistsError:
            continue
        won.append(f"race-{number}")
    return won


async def follow(client: Client, instance_id: str) -> Any:
    """Start, signal, raise and wait: everything from here."""
    instance = await client.start_new(waits, "hello", instance_id=instance_id)
    await client.wait_for_start(instance_id)
    await client.entity(Counter, "c").signal(Counter.add, 1)
    total = await client.entity(Counter, "c").call(Counter.add, 1)
    await instance.raise_event("go", "there")
    return [total, await instance.result()]


async def main(database: str, command: str, argument: str = "") -> None:
    url = f"sqlite:///{database}"
    if command == "own":
        async with Runtime(app, store=url):
            print("running", flush=True)  # noqa: T201 - the other process reads it
            await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        return
    async with Client(url, app) as client:
        if command == "race":
            answer: Any = await race(client, int(argument))
        else:
            answer = await follow(client, argument)
    print(orjson.dumps(answer).decode(), flush=True)  # noqa: T201 - the other process reads it


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], "".join(sys.argv[3:]))
