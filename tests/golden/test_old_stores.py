"""A file that an earlier Perdure has left is gone on with.

`sqlite-N.sql` is what `.dump` gives of a hub of schema version N: one orchestration that has ended,
one that waits, and an entity. What is here is never changed; a new schema gets the file of the one
before it.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from attrs import define

from perdure import App, OrchestrationContext, Status
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.sqlite_checkup import examine
from perdure.testing import Environment

FOLDER = Path(__file__).parent
app = App("golden")


@app.activity
async def echo(text: str) -> str:
    return text


@app.orchestration
async def waits(ctx: OrchestrationContext, text: str) -> str:
    told = await ctx.call_activity(echo, text)
    return told + await ctx.wait_for_external_event("go", str)


@app.entity
@define
class Shelf:
    text: str = ""

    def put(self, text: str) -> None:
        self.text = text


@pytest.mark.parametrize("name", ["sqlite-3"])
async def test_an_old_hub_is_gone_on_with(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hub.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((FOLDER / f"{name}.sql").read_text())
    with closing(SQLiteStore(path)) as store:
        async with Environment(app, store=store) as env:
            ended = await env.client.wait_for_completion("ended")
            assert (ended.runtime_status, ended.output) == (Status.COMPLETED, "old!")
            await env.client.raise_event("waiting", "go", "?")
            assert (await env.client.wait_for_completion("waiting")).output == "old?"
            shelf = env.client.entity(Shelf, "k")
            await shelf.call(Shelf.put, "new")
            assert await shelf.read() == Shelf("new")
    rows = examine(path, 0).rows
    assert rows is not None
    assert (rows.damaged.count, rows.sound > 0, rows.unverified > 0) == (0, True, True)
