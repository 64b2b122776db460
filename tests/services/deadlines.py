"""An end for async tests that hang, which says where they do.

A signal would leave the loop between two of its own steps, and its runner waiting for it for ever.
"""

import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

import anyio
import pytest

PART = 0.9
"""Of the time for a test, the loop gets so much to end it; afterwards its process is ended."""

AsyncTest = Callable[..., Awaitable[None]]


def seconds_for(item: pytest.Item) -> float:
    """How long this test may take."""
    marker = item.get_closest_marker("timeout")
    if marker is not None:
        return float(marker.args[0])
    return float(item.config.getoption("timeout") or item.config.getini("timeout"))


def limit(item: pytest.Function) -> None:
    """Let this test end in time, if it is async."""
    if iscoroutinefunction(item.obj):
        item.obj = limited(item.obj, PART * seconds_for(item))


def limited(test: AsyncTest, seconds: float) -> AsyncTest:
    """Make a test of it that fails when it takes longer."""

    async def run(**given: Any) -> None:
        await within(seconds, partial(test, **given))

    return run


async def within(seconds: float, test: AsyncTest) -> None:
    """Run it; fail with the place where it stands when it takes longer."""
    place = ""
    with anyio.move_on_after(seconds) as scope:
        try:
            await test()
        except anyio.get_cancelled_exc_class():
            place = traceback.format_exc()
            raise
    if scope.cancelled_caught:
        pytest.fail(f"the test hung for {seconds} s:\n{place}")
