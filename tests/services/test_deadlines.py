"""Tests that hang come to an end."""

import anyio
import anyio.lowlevel
import pytest

from deadlines import within


async def hangs() -> None:
    await anyio.sleep_forever()


async def test_a_hanging_test_fails_and_says_where() -> None:
    with pytest.raises(pytest.fail.Exception, match="in hangs"):
        await within(0.01, hangs)


async def test_a_test_in_time_is_left_alone() -> None:
    async def swift() -> None:
        await anyio.lowlevel.checkpoint()

    await within(10, swift)


async def test_a_failure_in_time_is_its_own() -> None:
    async def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await within(10, broken)
