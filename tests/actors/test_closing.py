"""Closing executions: every `finally` runs once, in order, and the garbage collector is silent."""

import gc
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from perdure import App, OrchestrationContext
from perdure.testing import Environment

app = App("closing")
told: list[str] = []


@pytest.fixture(autouse=True)
def complaints(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect what could only be printed, as nobody was there to raise it to."""
    found: list[str] = []
    told.clear()

    def complain(unraisable: Any) -> None:
        found.append(repr(unraisable.exc_value))

    monkeypatch.setattr(sys, "unraisablehook", complain)
    yield found
    gc.collect()
    assert found == []


async def tidies_up(name: str) -> None:
    try:
        try:
            with anyio.CancelScope():
                await anyio.sleep(3600)
        finally:
            await anyio.sleep(1)
    finally:
        await anyio.sleep(1)
        told.append(f"{name} went on")


async def in_a_scope(name: str) -> None:
    try:
        with anyio.CancelScope(shield=True):
            await tidies_up(name)
    finally:
        told.append(name)


@app.orchestration
async def groups(ctx: OrchestrationContext) -> None:
    async with anyio.create_task_group() as group:
        for name in "ab":
            group.start_soon(in_a_scope, name)
        await in_a_scope("c")


@app.orchestration
async def conditions(ctx: OrchestrationContext) -> None:
    condition = anyio.Condition()

    async def wait(name: str) -> None:
        try:
            async with condition:
                await condition.wait()
        finally:
            told.append(name)

    async with anyio.create_task_group() as group:
        for name in "abc":
            group.start_soon(wait, name)
        await ctx.wait_for_external_event("never")


async def deeper(levels: int) -> None:
    if levels:
        await deeper(levels - 1)
    else:
        await tidies_up("the deepest")


@app.orchestration
async def deep(ctx: OrchestrationContext) -> None:
    try:
        await deeper(300)
    finally:
        told.extend("abc")


@pytest.mark.parametrize("orchestration", [groups, conditions, deep])
@pytest.mark.not_verified
async def test_an_execution_is_closed_in_silence(orchestration: Any) -> None:
    async with Environment(app) as env:
        await env.client.start_new(orchestration)
        await env.settle()
        await env.crash()
        assert sorted(told) == ["a", "b", "c"]


@app.orchestration
async def stubborn(ctx: OrchestrationContext) -> None:
    for _ in range(20):
        try:
            await tidies_up("stubborn")
        except BaseException:  # noqa: BLE001, S112 - what no program should do
            continue
    told.append("at last")


@pytest.mark.not_verified
async def test_who_catches_everything_is_told_again() -> None:
    async with Environment(app) as env:
        await env.client.start_new(stubborn)
        await env.settle()
        await env.crash()
        assert told == ["at last"]
