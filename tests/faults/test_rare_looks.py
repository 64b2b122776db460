"""A store that cannot be read is asked ever rarer, and told of once."""

import logging
from contextlib import closing
from datetime import timedelta

import anyio
import pytest

from crew_app import app as crew_app
from crew_app import steps
from perdure import App, Client, Runtime, StoreError
from perdure.persistence.memory import MemoryStore
from perdure.persistence.opening import open_store
from perdure.runtime.backoff import Backoff
from perdure.testing import Environment
from perdure.testing.disturbed import DisturbedStore

LOOK = timedelta(milliseconds=50)


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(0.05, 0.3)
    assert [backoff.pause() for _ in range(5)] == [0.05, 0.1, 0.2, 0.3, 0.3]
    backoff.reset()
    assert backoff.pause() == 0.05


def test_luck_shortens_a_pause_by_half_at_most() -> None:
    luck = iter([0.0, 0.5, 1.0])
    backoff = Backoff(4, 4, lambda: next(luck))
    assert [backoff.pause() for _ in range(3)] == [4, 3, 2]


@pytest.mark.parametrize("asked", ["version", "glance"])
async def test_an_outage_is_asked_about_ever_rarer(
    caplog: pytest.LogCaptureFixture, asked: str
) -> None:
    store = DisturbedStore(MemoryStore())
    away = False

    def look(method: str, _call: int) -> None:
        if away and method == asked:
            raise StoreError("the disk is away")

    store.before = look
    async with Environment(App(), store=store.store) as env:
        away, before = True, store.calls[asked]
        with caplog.at_level(logging.INFO, "perdure.runtime"):
            for _ in range(200):
                await env.advance(LOOK)
            assert 3 <= store.calls[asked] - before <= 20
            assert len(caplog.records) == 1
            assert "the disk is away" in caplog.text
            away = False
            for _ in range(40):
                await env.advance(LOOK)
        assert caplog.messages[1:] == ["can look into the inbox again"]


async def test_looks_that_fail_miss_no_message(hub_url: str) -> None:
    failing = 0

    def look(method: str, _call: int) -> None:
        nonlocal failing
        if failing and method == "arrived":
            failing -= 1
            raise StoreError("the network is away")

    with closing(open_store(hub_url)) as opened:
        store = DisturbedStore(opened)
        store.before = look
        async with Runtime(crew_app, store=store.store), Client(hub_url, app=crew_app) as client:
            # What is heard of it, and the look at a store that has changed.
            failing = 2
            instance = await client.start_new(steps, 3)
            with anyio.fail_after(30):
                assert await instance.result() == 3
