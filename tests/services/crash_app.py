"""What the processes run that are killed: instances of every kind, and entities that tell.

To boxes and diaries only clients send, which record what they do: the history checker judges them
to the last request. Accounts and the box `ran` show by themselves when a step is lost or doubled.
"""

from datetime import timedelta
from zlib import crc32

import anyio
from attrs import Factory, define

from perdure import App, OrchestrationContext

ACCOUNTS, BALANCE = 6, 1_000
WORDS_PER_EXECUTION = 8
FAR = 8
"""How many parts a fan has that any worker may run."""
BY_CLIENTS = ("box", "diary")
LAST = "the last to run"

app = App("crash")


@app.entity
@define
class Account:
    balance: int = BALANCE
    inside: str = ""
    clashes: int = 0
    """How often somebody was here without the lock."""

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
    """Entries in alphabetical order, so that its state does not tell in which order they came."""

    entries: list[str] = Factory(list[str])

    def put(self, entry: str) -> int:
        """The answer tells what is there by now, and is short."""
        self.entries = sorted([*self.entries, entry])
        return crc32("\n".join(self.entries).encode())


@app.entity
@define
class Ran:
    """Which instances have run."""

    entries: list[str] = Factory(list[str])

    def note(self, entry: str) -> None:
        self.entries.append(entry)


@app.activity
async def echo(number: int) -> int:
    await anyio.lowlevel.checkpoint()
    return number


@app.activity(shared=True)
async def far(number: int) -> int:
    for _ in range(200):
        await anyio.lowlevel.checkpoint()
    return number


@app.activity(shared=True)
def far_in_a_thread(number: int) -> int:
    return number


def mark(ctx: OrchestrationContext) -> None:
    ctx.entity(Ran, "ran").signal(Ran.note, ctx.instance_id)


@app.orchestration
async def chain(ctx: OrchestrationContext) -> int:
    total = 0
    for number in range(4):
        total += await ctx.call_activity(echo, number)
    mark(ctx)
    return total


@app.orchestration
async def fan_out(ctx: OrchestrationContext) -> int:
    mark(ctx)
    parts = [ctx.call_activity(echo, number) for number in range(8)]
    parts.append(ctx.call_sub_orchestrator(chain, instance_id=f"{ctx.instance_id}-child"))
    return sum(await ctx.task_all(parts))


@app.orchestration
async def fan_far(ctx: OrchestrationContext) -> list[int]:
    """Any worker of a hub runs its parts."""
    mark(ctx)
    parts = [ctx.call_activity(far, number) for number in range(FAR - 3)]
    parts += [ctx.call_activity(far_in_a_thread, number) for number in range(FAR - 3, FAR)]
    return await ctx.task_all(parts)


@app.orchestration
async def pause(ctx: OrchestrationContext) -> None:
    mark(ctx)
    for milliseconds in (5, 50, 200):
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
async def diary(ctx: OrchestrationContext) -> list[str]:
    """Keep its words in one execution."""
    words: list[str] = []
    while (word := await ctx.wait_for_external_event("word", str)) != "stop":
        words.append(word)
    return words


@app.orchestration
async def listen(ctx: OrchestrationContext, heard: list[str]) -> list[str]:
    """Keep its words over many executions."""
    for _ in range(WORDS_PER_EXECUTION):
        word = await ctx.wait_for_external_event("word", str)
        if word == "stop":
            return heard
        heard.append(word)
    ctx.continue_as_new(heard)
    return heard
