"""A row that does not match its checksum: its owner is parked and says so, all others go on."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from perdure import HistoryUnreadableError, StoreCorruptError
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.sqlite_checkup import examine
from perdure.testing import Environment

from .damaged import Shelf, add_messages, app, fill, sleeps


def alter(path: Path, table: str, change: str, where: str) -> None:
    """Change rows as a failing disk does: without their checksums."""
    with closing(sqlite3.connect(path)) as database, database:
        done = database.execute(f"UPDATE {table} SET {change} WHERE {where}")  # noqa: S608
        assert done.rowcount > 0
    rows = examine(path, 0).rows
    assert rows is not None
    assert rows.damaged.count == done.rowcount


CHANGES = [
    ("instance", "input = '\"other text\"'"),
    ("instance", "custom_status = '1'"),
    ("instance", 'tags = \'{"a":"b"}\''),
    ("instance", "created = created + 1"),
    ("instance", "status = 99"),
    ("instance", "name = 'sleeps'"),
    ("turn", "events = replace(events, 'some', 'same')"),
    ("turn", "at = at + 1"),
    ("turn", "sequence = sequence + 7"),
]


@pytest.mark.parametrize(("table", "change"), CHANGES)
async def test_a_damaged_row_parks_its_instance_only(
    tmp_path: Path, table: str, change: str
) -> None:
    path = tmp_path / "hub.db"
    await fill(path)
    alter(path, table, change, f"{'id' if table == 'instance' else 'instance_id'} = 'hurt'")
    with closing(SQLiteStore(path)) as store:
        async with Environment(app, store=store) as env:
            for instance_id in ("hurt", "well"):
                await env.client.raise_event(instance_id, "go", "!")
            await env.settle()
            found = await env.client.get_many(["hurt", "well"])
            assert found["well"].output == "some text!"
            parked = found["hurt"].parked
            assert parked is not None
            assert parked.reason == "unreadable"
            assert f"of table {table} is damaged, as its checksum differs" in parked.message
            assert "'hurt'" in parked.message
            assert "restore a backup" in parked.message
            assert not found["hurt"].is_completed


async def test_no_payload_of_a_damaged_row_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    await fill(path)
    async with Environment(app, store=SQLiteStore(path)) as env:
        await env.client.raise_event("hurt", "go", "!")
        await env.client.wait_for_completion("hurt")
    alter(path, "instance", "output = '\"wrong\"'", "id = 'hurt'")
    async with Environment(app, store=SQLiteStore(path)) as env:
        shown = await env.client.get_status("hurt")
        assert shown is not None
        assert (shown.input, shown.output, shown.custom_status) == (None, None, None)
        assert shown.parked is not None
        with pytest.raises(StoreCorruptError, match="row 'hurt' of table instance"):
            shown.read_output(str)
        for refused in (env.client.wait_for_completion, env.client.restart):
            with pytest.raises(StoreCorruptError, match="'hurt'"):
                await refused("hurt")
        assert (await env.client.purge("hurt")).deleted_instance_count == 1


async def test_a_damaged_history_is_not_told_of(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    await fill(path)
    alter(path, "turn", "events = replace(events, 'some', 'same')", "instance_id = 'hurt'")
    async with Environment(app, store=SQLiteStore(path)) as env:
        with pytest.raises(HistoryUnreadableError, match="row 'hurt', 0 of table turn"):
            await env.client.get_history("hurt")


async def test_damaged_state_is_never_worked_on(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    await fill(path)
    alter(path, "entity", "state = replace(state, 'some', 'same')", "id = '@shelf@hurt'")
    for _ in range(2):  # What was parked is tried again by the next runtime.
        async with Environment(app, store=SQLiteStore(path)) as env:
            for key in ("hurt", "well"):
                await env.client.entity(Shelf, key).signal(Shelf.put, "other text")
            await env.settle()
            found = {one.id.key: one for one in (await env.client.query_entities()).entities}
            assert found["well"].state == {"text": "other text"}
            assert (found["hurt"].state, found["hurt"].parked is None) == (None, False)
            with pytest.raises(StoreCorruptError, match="row '@shelf@hurt' of table entity"):
                await env.client.entity(Shelf, "hurt").read()


@pytest.mark.parametrize("table", ["mailbox", "inbox"])
async def test_a_damaged_message_is_not_delivered(tmp_path: Path, table: str) -> None:
    path = tmp_path / "hub.db"
    await fill(path)
    add_messages(path, table, "hurt", "well")
    alter(path, table, "body = replace(body, '!', '?')", "target = 'hurt'")
    async with Environment(app, store=SQLiteStore(path)) as env:
        await env.settle()
        statuses = await env.client.get_many(["hurt", "well"])
        assert statuses["well"].output == "some text!"
        parked = statuses["hurt"].parked
        assert parked is not None
        assert f"of table {table} is damaged" in parked.message


async def test_a_damaged_timer_parks_its_instance(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    async with Environment(app, store=SQLiteStore(path)) as env:
        for instance_id in ("hurt", "well"):
            await env.client.start_new(sleeps, instance_id=instance_id)
        await env.settle()
    alter(path, "timer", "due = due - 1000000", "instance_id = 'hurt'")
    async with Environment(app, store=SQLiteStore(path)) as env:
        await env.advance(timedelta(seconds=100))
        assert (await env.client.wait_for_completion("well")).output is None
        shown = await env.client.get_status("hurt")
        assert shown is not None
        assert shown.parked is not None
        assert "row 'hurt', 1 of table timer is damaged" in shown.parked.message
