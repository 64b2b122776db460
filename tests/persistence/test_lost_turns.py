"""Turns that are gone are missed: by the checkup, by whoever reads the log, and by a runtime."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import anyio
import psycopg
import pytest
from attrs import define, frozen

from perdure import App, HistoryUnreadableError, OrchestrationContext, RetryPolicy, Status
from perdure.persistence import postgres_checkup, sqlite_checkup
from perdure.persistence.archive import ArchiveError, write_whole
from perdure.persistence.opening import open_store
from perdure.persistence.postgres_address import read_address
from perdure.testing import Environment, check_store
from spare_hubs import SpareHubs

app = App("logs")


@app.activity
async def step() -> None:
    """Do nothing."""


@app.activity
async def never_ends() -> None:
    await anyio.sleep_forever()


@app.activity(retry=RetryPolicy(max_attempts=5, first_interval=timedelta(days=1)))
async def breaks() -> None:
    raise ValueError("broken")


@app.orchestration
async def ends(ctx: OrchestrationContext) -> None:
    await ctx.call_activity(step)
    await ctx.call_activity(step)


@app.orchestration
async def waits(ctx: OrchestrationContext) -> None:
    await ctx.call_activity(step)
    await ctx.call_activity(step)
    await ctx.wait_for_external_event("go")


@app.orchestration
async def sleeps(ctx: OrchestrationContext) -> None:
    await ctx.wait_for_external_event("go")
    await ctx.create_timer(timedelta(days=1))


@app.orchestration
async def works(ctx: OrchestrationContext) -> None:
    await ctx.wait_for_external_event("go")
    await ctx.call_activity(never_ends)


@app.orchestration
async def retries(ctx: OrchestrationContext) -> None:
    await ctx.call_activity(breaks)


@app.entity
@define
class Account:
    balance: int = 0

    def add(self, amount: int) -> None:
        self.balance += amount


@app.orchestration
async def fails(ctx: OrchestrationContext) -> None:
    ctx.entity(Account, "a").call(Account.add, 1)
    raise ValueError("the answer comes later")


@app.orchestration
async def goes_on(ctx: OrchestrationContext) -> None:
    await ctx.wait_for_external_event("go")
    ctx.continue_as_new()


@frozen
class Hub:
    """A store, and the way to its rows behind its back."""

    url: str

    def lost(self) -> list[tuple[str, str]]:
        if self.url.startswith("sqlite"):
            path = Path(self.url.removeprefix("sqlite:///"))
            contents = sqlite_checkup.examine(path, 0).contents
        else:
            contents = postgres_checkup.examine(self.url, 0).contents
        assert contents is not None
        assert contents.lost_turns.count == len(contents.lost_turns.first)
        return contents.lost_turns.first

    def delete(self, rows: str) -> None:
        statement = f"DELETE FROM {rows}"  # noqa: S608 - of this file's own
        if self.url.startswith("sqlite"):
            path = self.url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path)) as database, database:
                assert database.execute(statement).rowcount > 0
            return
        address = read_address(self.url)
        with psycopg.connect(self.url.partition("&hub")[0]) as link:
            link.execute(f"SET search_path = {address.hub}".encode())
            assert link.execute(statement.encode()).rowcount > 0

    async def fill(self) -> None:
        """Leave orchestrations in all states that there are."""
        with closing(open_store(self.url)) as store:
            async with Environment(app, store=store) as env:
                start = env.client.start_new
                await start(waits, instance_id="late", start_at=env.now + timedelta(days=9))
                await start(waits, instance_id="cut", start_at=env.now + timedelta(days=9))
                await env.client.terminate("cut")
                await start(waits, instance_id="held", start_at=env.now + timedelta(days=9))
                await env.client.suspend("held")
                for each in (ends, waits, sleeps, works, retries, fails, goes_on):
                    await start(each, instance_id=each.__name__)
                    await start(each, instance_id=f"other {each.__name__}")
                await env.settle()
                for name in ("sleeps", "works", "goes_on"):
                    await env.client.raise_event(name, "go")
                await env.client.suspend("sleeps")
                await env.client.terminate("other waits")
                await env.settle()
            async with Environment(App(), store=store) as env:
                await env.client.raise_event("other works", "go")
                await env.settle()


@pytest.fixture(params=["sqlite", "postgres"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    """Give a hub that is filled."""
    if request.param == "sqlite":
        given = Hub(f"sqlite:///{tmp_path / 'hub.db'}")
        anyio.run(given.fill)
        yield given
        return
    spare: SpareHubs = request.getfixturevalue("spare_hubs")
    with spare.one() as url:
        given = Hub(url)
        anyio.run(given.fill)
        yield given


def test_nothing_is_missed_in_a_whole_store(hub: Hub) -> None:
    assert hub.lost() == []
    with closing(open_store(hub.url)) as store:
        statuses = {whole.instance.status for whole in store.export() if whole.instance}
        assert len(statuses) == len({Status.PENDING, *statuses}) >= 5
        assert not [whole for whole in store.export() if whole.damage]


CASES = [
    ("ends", "sequence = 1", "it has 2 of 3 turns"),
    ("ends", "sequence = 0", "it has 2 of 3 turns"),
    ("ends", "sequence = 2", "the turn of its end is missing"),
    ("other waits", "sequence = 3", "the turn of its end is missing"),
    ("cut", "true", "the turn of its end is missing"),
    ("fails", "true", "the turn of its end is missing"),
    ("waits", "true", "it has no turn"),
    ("goes_on", "true", "it has no turn"),
    ("sleeps", "sequence > 0", "the turn of timer 1 is missing"),
    ("works", "sequence = 1", "the turn of its activity is missing"),
]


@pytest.mark.parametrize("hub", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("instance_id", "turns", "lost"), CASES)
def test_a_lost_turn_is_missed(hub: Hub, instance_id: str, turns: str, lost: str) -> None:
    hub.delete(f"turn WHERE instance_id = '{instance_id}' AND {turns}")
    assert hub.lost() == [(instance_id, lost)]


def test_all_that_lack_turns_are_listed(hub: Hub) -> None:
    for instance_id, turns in (("ends", "sequence = 1"), ("sleeps", "sequence > 0")):
        hub.delete(f"turn WHERE instance_id = '{instance_id}' AND {turns}")
    hub.delete("turn WHERE instance_id = 'works' AND sequence = 1")
    hub.delete("turn WHERE instance_id = 'waits'")
    hub.delete("instance WHERE id = 'other ends'")
    assert hub.lost() == [
        ("ends", "it has 2 of 3 turns"),
        ("other ends", "only turns are left"),
        ("sleeps", "the turn of timer 1 is missing"),
        ("waits", "it has no turn"),
        ("works", "the turn of its activity is missing"),
    ]


@pytest.mark.not_verified
async def test_a_log_with_a_gap_is_not_gone_on_with(tmp_path: Path) -> None:
    hub = Hub(f"sqlite:///{tmp_path / 'hub.db'}")
    await hub.fill()
    hub.delete("turn WHERE instance_id = 'waits' AND sequence = 1")
    missing = "turn 1 of 'waits' is missing: restore a backup, or purge it"
    with closing(open_store(hub.url)) as store:
        async with Environment(app, store=store) as env:
            waiting = await env.client.get_status("waits", show_waiting=True)
            assert waiting is not None
            (reason,) = waiting.waiting_for or []
            assert reason.kind == "mend"
            assert missing in (reason.detail or "")
            await env.client.raise_event("waits", "go")
            await env.settle()
            status = await env.client.get_status("waits")
            assert status is not None
            assert status.parked is not None
            assert (status.parked.reason, status.parked.message[: len(missing)]) == (
                "unreadable",
                missing,
            )
            with pytest.raises(HistoryUnreadableError, match="turn 1 of 'waits' is missing"):
                await env.client.get_history("waits")
            (whole,) = store.export(["waits"])
            with pytest.raises(ArchiveError, match="turn 1 of 'waits' is missing"):
                write_whole(whole)
            await env.client.terminate("waits")
            await env.client.wait_for_completion("waits")
            assert (await env.client.purge("waits")).deleted_instance_count == 1
    assert hub.lost() == []


def test_a_log_that_is_gone_fits_no_code(tmp_path: Path) -> None:
    hub = Hub(f"sqlite:///{tmp_path / 'hub.db'}")
    anyio.run(hub.fill)
    hub.delete("turn WHERE instance_id = 'waits'")
    with closing(open_store(hub.url)) as store:
        told = [(misfit.actor_id, misfit.message) for misfit in check_store(app, store).misfits]
    assert told == [("waits", "its log is gone: restore a backup, or purge it")]
