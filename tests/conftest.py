"""The worlds that every async test runs in, the server that stores may be on, and examples."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import settings

from private_postgres import PrivatePostgres

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


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """Give a PostgreSQL server, the same to all tests of this process."""
    with PrivatePostgres() as server:
        yield server


@pytest.fixture(scope="session")
def new_hub(postgres: PrivatePostgres) -> Callable[[], str]:
    """Give what makes up the URL of one new hub after the other."""
    numbers = count()
    # An owner that was killed is replaced soon, and one that lives is known as alive at once.
    return lambda: f"{postgres.url}&hub=hub_{next(numbers)}&lease=1&heartbeat=0.1"
