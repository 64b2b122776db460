"""A hub in a file, for tests that damage it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from attrs import define

from perdure import App, OrchestrationContext
from perdure.actors.history import EventRaised
from perdure.actors.wire import write_event
from perdure.persistence.contract.rows import Owner
from perdure.persistence.records import MessageRow
from perdure.persistence.sqlite import SQLiteStore
from perdure.testing import Environment

app = App("damaged")


@app.activity
async def echo(text: str) -> str:
    return text


@app.orchestration
async def waits(ctx: OrchestrationContext, text: str) -> str:
    told = await ctx.call_activity(echo, text)
    return told + await ctx.wait_for_external_event("go", str)


@app.orchestration
async def sleeps(ctx: OrchestrationContext) -> None:
    await ctx.create_timer(60)


@app.entity
@define
class Shelf:
    text: str = ""

    def put(self, text: str) -> None:
        self.text = text


async def fill(path: Path) -> None:
    """Leave two orchestrations that wait, and two entities."""
    with closing(SQLiteStore(path)) as store:
        async with Environment(app, store=store) as env:
            for instance_id in ("hurt", "well"):
                await env.client.start_new(waits, "some text", instance_id=instance_id)
                await env.client.entity(Shelf, instance_id).call(Shelf.put, "some text")
            await env.settle()


def add_messages(path: Path, table: str, *targets: str) -> None:
    """Leave an event for each of these in the mailbox or the inbox."""
    body = write_event(EventRaised(1, "go", '"!"'))
    rows = [MessageRow(number, target, body) for number, target in enumerate(targets, 100)]
    with closing(SQLiteStore(path)) as store:
        if table == "inbox":
            store.post(rows)
        else:
            Owner(store).commit(sent=rows)


def forget_sums(path: Path) -> None:
    """Make it a file of before rows had checksums."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE hub SET absent_sum = NULL")
        for table in ("instance", "entity", "turn", "timer", "mailbox", "inbox", "reply"):
            database.execute(f"UPDATE {table} SET sum = NULL")  # noqa: S608
