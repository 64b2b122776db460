"""The worlds that every async test runs in, and how hypothesis looks for examples."""

import os
from typing import Any

import pytest
from hypothesis import settings

World = tuple[str, dict[str, Any]]

ASYNCIO: World = ("asyncio", {})
TRIO: World = ("trio", {})

settings.register_profile("explore", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "explore")


@pytest.fixture(params=[pytest.param(ASYNCIO, id="asyncio"), pytest.param(TRIO, id="trio")])
def anyio_backend(request: pytest.FixtureRequest) -> World:
    """Name the world and its options; anyio's pytest plugin asks for this fixture by name."""
    world: World = request.param
    return world
