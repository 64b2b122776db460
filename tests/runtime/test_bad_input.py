"""Bad input gets a clear error, and nothing is lost."""

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from perdure import (
    App,
    ArityError,
    DefinitionNotFoundError,
    InstanceIdError,
    OperationNotFoundError,
    OrchestrationContext,
    PayloadError,
    PayloadTooLargeError,
    Runtime,
    StoreCorruptError,
    StoreError,
    StoreVersionError,
)
from perdure.actors.codec import Codec
from perdure.persistence.memory import MemoryStore
from perdure.testing import Environment
from perdure.testing.disturbed import DisturbedStore

app = App("bad")


@app.entity
@define
class Counter:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


@app.orchestration
async def takes_one(ctx: OrchestrationContext, value: Any) -> Any:
    return await ctx.wait_for_external_event("go")


async def test_unknown_names_are_refused_at_once() -> None:
    async with Environment(app) as env:
        with pytest.raises(DefinitionNotFoundError, match="'nowhere'"):
            await env.client.start_new("nowhere")
        with pytest.raises(OperationNotFoundError, match="no operation 'subtract'; it has: add"):
            await env.client.entity(Counter, "a").call("subtract", 1)


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a#b", "a?b", "@a@b", "a\nb", "x" * 257])
async def test_illegal_ids_are_refused(name: str) -> None:
    async with Environment(app) as env:
        with pytest.raises(InstanceIdError):
            await env.client.start_new(takes_one, 1, instance_id=name)


async def test_wrong_arity_is_refused_before_anything_happens() -> None:
    async with Environment(app) as env:
        with pytest.raises(ArityError, match="missing 'value'"):
            await env.client.start_new("takes_one")
        with pytest.raises(ArityError, match="2 given; it takes 1"):
            await env.client.entity(Counter, "a").call("add", 1, 2)
        assert await env.client.entity(Counter, "a").read() is None


async def test_unserialisable_values_name_path_and_type() -> None:
    async with Environment(app) as env:
        with pytest.raises(PayloadError, match=r"input of takes_one\.items\[1\] \(object\)"):
            await env.client.start_new(takes_one, {"items": [1, object()]})
        instance = await env.client.start_new(takes_one, 1)
        with pytest.raises(PayloadError, match="nan is not JSON"):
            await instance.raise_event("go", float("nan"))


async def test_payloads_over_the_cap_are_refused() -> None:
    small = App("small")
    small.codec = Codec(payload_bytes_max=100)
    small.include(app)
    async with Environment(small) as env:
        with pytest.raises(PayloadTooLargeError, match="more than the cap of 100"):
            await env.client.start_new(takes_one, "x" * 200)


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "\u20ac 😀"])
async def test_odd_texts_never_stop_the_runtime(tmp_path: Path, text: str) -> None:
    async with Runtime(app, tmp_path / "hub.db") as runtime:
        instance = await runtime.client.start_new(takes_one, 1)
        for odd in (
            lambda: runtime.client.start_new(takes_one, 1, tags={"k": text}),
            lambda: instance.raise_event(text, 1),
            lambda: runtime.client.entity(Counter, "a").signal(text, 1),
        ):
            try:
                await odd()
            except (PayloadError, ValueError, OperationNotFoundError):
                continue
        await instance.raise_event("go", "still here")
        assert await instance.result() == "still here"


async def test_a_full_disk_is_told_and_loses_nothing() -> None:
    store = DisturbedStore(MemoryStore())
    full = [False]

    def fill(method: str, _: int) -> None:
        if full[0] and method == "commit":
            raise StoreError("hub.db: the disk is full: free some space")

    store.before = fill
    async with Environment(app, store=store.store) as env:
        instance = await env.client.start_new(takes_one, 1)
        full[0] = True
        with pytest.raises(StoreError, match="the disk is full"):
            await instance.raise_event("go", "lost, and told so")
        with pytest.raises(StoreError, match="the disk is full"):
            await instance.raise_event("go", "refused while it is down")
        full[0] = False
        await env.advance(timedelta(seconds=30))
        await instance.raise_event("go", "kept")
        assert await instance.result() == "kept"


async def test_a_corrupt_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hub.db").write_bytes(b"no database at all, but long enough" * 200)
    with pytest.raises(StoreCorruptError, match="restore a backup"):
        await Runtime(app, tmp_path / "hub.db").__aenter__()


async def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    async with Runtime(app, tmp_path / "hub.db"):
        pass
    database = sqlite3.connect(tmp_path / "hub.db")
    database.execute("PRAGMA user_version = 999")
    database.close()
    with pytest.raises(StoreVersionError, match="version 999"):
        await Runtime(app, tmp_path / "hub.db").__aenter__()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://host/db", "there is no store mysql://"),
        ("sqlite:///", "does not name a file"),
        ("sqlite:////proc/nowhere/hub.db", "create the folder"),
    ],
)
async def test_a_bad_place_is_refused(url: str, problem: str) -> None:
    with pytest.raises(StoreError, match=problem):
        await Runtime(app, url).__aenter__()
