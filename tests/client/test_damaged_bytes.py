"""A byte that is no UTF-8, somewhere in the file: it is one instance's trouble, nobody else's.

The files are as they were before rows had checksums; test_damaged_rows.py is about those.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from perdure import EntityId, HistoryUnreadableError, Status, StoreCorruptError
from perdure.actors.history import EventRaised
from perdure.actors.wire import write_event
from perdure.persistence.archive import ArchiveError, write_whole
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.sqlite_checkup import examine
from perdure.testing import Environment

from .damaged import Shelf, app, fill, forget_sums


def damage(path: Path, table: str, column: str, where: str) -> None:
    """Put a byte that is no UTF-8 into a text."""
    with closing(sqlite3.connect(path)) as database, database:
        hurt = f"substr({column}, 1, 6) || CAST(x'c8' AS TEXT) || substr({column}, 8)"
        done = database.execute(f"UPDATE {table} SET {column} = {hurt} WHERE {where}")  # noqa: S608
        assert done.rowcount > 0


def add_messages(path: Path, table: str, *targets: str) -> None:
    body = write_event(EventRaised(1, "go", '"!"'))
    with closing(sqlite3.connect(path)) as database, database:
        for target in targets:
            database.execute(
                f"INSERT INTO {table} (target, body) VALUES (?, ?)",  # noqa: S608
                (target, body),
            )


async def filled(path: Path) -> None:
    await fill(path)
    forget_sums(path)


@pytest.mark.parametrize(
    ("table", "column", "parks"),
    [
        ("turn", "events", True),
        ("turn", "notes", True),
        ("instance", "execution_id", True),
        ("instance", "name", True),
        ("instance", "input", False),
        ("instance", "tags", False),
    ],
)
async def test_a_damaged_byte_parks_its_instance_only(
    tmp_path: Path, table: str, column: str, parks: bool
) -> None:
    path = tmp_path / "hub.db"
    await filled(path)
    key = "id" if table == "instance" else "instance_id"
    if column == "tags":
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("""UPDATE instance SET tags = '{"a":"bcdefg"}' WHERE id = 'hurt'""")
    damage(path, table, column, f"{key} = 'hurt' AND {column} IS NOT NULL")
    with closing(SQLiteStore(path)) as store:
        async with Environment(app, store=store) as env:
            for instance_id in ("hurt", "well"):
                await env.client.raise_event(instance_id, "go", "!")
            await env.settle()
            found = {one.instance_id: one for one in (await env.client.query()).instances}
            assert found["well"].output == "some text!"
            assert (found["hurt"].parked is not None) is parks
            assert found["hurt"].is_completed is not parks
            shown = await env.client.get_status("hurt", show_waiting=True)
            assert shown is not None
            assert [one.kind for one in shown.waiting_for or []][:1] == ["mend"] * parks
            if parks:
                await env.client.terminate("hurt")
            ended = (await env.client.wait_for_completion("hurt")).runtime_status
            assert ended is (Status.TERMINATED if parks else Status.COMPLETED)


async def test_damaged_input_is_shown_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    await filled(path)
    damage(path, "instance", "input", "id = 'hurt'")
    with closing(SQLiteStore(path)) as store:
        before = store.instance("hurt")
        assert before is not None
        async with Environment(app, store=store) as env:
            shown = await env.client.get_status("hurt")
            assert shown is not None
            assert shown.input == "some \N{REPLACEMENT CHARACTER}ext"
            await env.client.suspend("hurt")
            await env.settle()
            after = store.instance("hurt")
            assert after is not None
            assert (after.status, after.input) == (Status.SUSPENDED, before.input)
            with pytest.raises(StoreCorruptError, match="start it with a new input"):
                await env.client.restart("hurt")


@pytest.mark.parametrize("table", ["mailbox", "inbox"])
async def test_a_damaged_message_parks_its_receiver(tmp_path: Path, table: str) -> None:
    path = tmp_path / "hub.db"
    await filled(path)
    add_messages(path, table, "hurt", "well")
    damage(path, table, "body", "target = 'hurt'")
    with closing(SQLiteStore(path)) as store:
        async with Environment(app, store=store) as env:
            await env.settle()
            statuses = await env.client.get_many(["hurt", "well"])
            assert statuses["well"].output == "some text!"
            assert statuses["hurt"].parked is not None
            assert store.backlog("hurt") == 1


@pytest.mark.parametrize("column", ["state", "parked"])
async def test_damaged_state_parks_its_entity_only(tmp_path: Path, column: str) -> None:
    path = tmp_path / "hub.db"
    await filled(path)
    if column == "parked":
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE entity SET parked = 'because'")
    damage(path, "entity", column, "id = '@shelf@hurt'")
    with closing(SQLiteStore(path)) as store:
        async with Environment(app, store=store) as env:
            for key in ("hurt", "well"):
                await env.client.entity(Shelf, key).signal(Shelf.put, "other text")
            await env.settle()
            found = {one.id.key: one for one in (await env.client.query_entities()).entities}
            assert found["well"].state == {"text": "other text"}
            assert (found["hurt"].parked is None) is (column == "parked")
            assert EntityId("shelf", "hurt") in [one.id for one in found.values()]


async def test_a_damaged_log_is_not_told_of(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    await filled(path)
    damage(path, "turn", "events", "instance_id = 'hurt'")
    with closing(SQLiteStore(path)) as store:
        async with Environment(app, store=store) as env:
            told = "the history of 'hurt' cannot be read from turn 0 on"
            with pytest.raises(HistoryUnreadableError, match=told):
                await env.client.get_history("hurt")
            with pytest.raises(HistoryUnreadableError, match=told):
                await anext(env.client.follow("hurt"))
        (whole,) = store.export(["hurt"])
        with pytest.raises(ArchiveError, match="'hurt' holds damaged text"):
            write_whole(whole)
    assert examine(path, 0).damage == []


async def test_a_damaged_id_keeps_nobody_back(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    await filled(path)
    add_messages(path, "mailbox", "@shelf@hurt", "well")
    damage(path, "mailbox", "target", "target = '@shelf@hurt'")
    damage(path, "entity", "id", "id = '@shelf@hurt'")
    with closing(SQLiteStore(path)) as store:
        async with Environment(app, store=store) as env:
            assert (await env.client.wait_for_completion("well")).output == "some text!"
            assert len((await env.client.query_entities()).entities) == 2
        assert len(store.recover(0).messages) == 1
