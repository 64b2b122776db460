"""The worlds that every async test runs in, the server that stores may be on, and examples."""

import logging
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import settings

from deadlines import limit, seconds_for
from perdure import Runtime
from perdure.persistence.memory import MemoryStore
from perdure.persistence.opening import open_store
from perdure.persistence.store import Store
from private_postgres import PrivatePostgres
from spare_hubs import SpareHubs

World = tuple[str, dict[str, Any]]

ASYNCIO: World = ("asyncio", {})
TRIO: World = ("trio", {})

settings.register_profile("explore", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "explore")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run each test over PostgreSQL in one world, some in this and some in that.

    It costs several times as much there, and a store never sees the world: threads are between.
    """
    spared = {item for item in items if is_spared(item)}
    items[:] = [item for item in items if item not in spared]
    config.hook.pytest_deselected(items=list(spared))
    for item in items:
        if "anyio_backend" in getattr(item, "fixturenames", ()):
            timeout = pytest.mark.timeout(seconds_for(item), method="thread")
            item.add_marker(timeout, append=False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Let async tests end in time."""
    limit(pyfuncitem)


def is_spared(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    given: dict[str, Any] = callspec.params if callspec else {}
    if "postgres" not in given.values() or "anyio_backend" not in given:
        return False
    elected = (ASYNCIO, TRIO)[crc32(item.location[2].partition("[")[0].encode()) % 2]
    return bool(given["anyio_backend"] != elected)


@pytest.fixture(params=[pytest.param(ASYNCIO, id="asyncio"), pytest.param(TRIO, id="trio")])
def anyio_backend(request: pytest.FixtureRequest) -> World:
    """Name the world and its options; anyio's pytest plugin asks for this fixture by name."""
    world: World = request.param
    return world


VERIFIED = ("tests/stories", "tests/entities", "tests/properties")
"""Folders whose tests on asyncio compare memory with the log after every turn."""


@pytest.fixture(autouse=True)
def verified(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let runtimes verify themselves in one world; in the other they run as users run them.

    With PERDURE_VERIFY in the environment those of all tests do, in both worlds.
    """
    callspec = getattr(request.node, "callspec", None)
    world = callspec.params.get("anyio_backend") if callspec else None
    chosen = world == ASYNCIO and request.node.nodeid.startswith(VERIFIED)
    if request.node.get_closest_marker("not_verified") or not (
        chosen or os.environ.get("PERDURE_VERIFY")
    ):
        yield
        return
    ear, log = Ear(logging.ERROR), logging.getLogger("perdure.runtime")
    log.addHandler(ear)
    monkeypatch.setitem(Runtime.__init__.__kwdefaults__ or {}, "verify", True)
    yield
    log.removeHandler(ear)
    assert not ear.heard


class Ear(logging.Handler):
    """Hears what the self-check finds."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith("the self-check parks"):
            self.heard.append(record.getMessage())


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """Give a PostgreSQL server, the same to all tests of this process."""
    with PrivatePostgres() as server:
        yield server


@pytest.fixture(scope="session")
def spare_hubs(postgres: PrivatePostgres) -> SpareHubs:
    """Give the hubs on that server."""
    return SpareHubs(postgres.url)


@pytest.fixture
def hub_url(spare_hubs: SpareHubs) -> Iterator[str]:
    """Give the URL of an empty hub in PostgreSQL."""
    with spare_hubs.one() as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Give a new store; an environment over it comes back from a crash with what is in it."""
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "sqlite":
        folders: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        place: str | Path = folders.mktemp("store") / "hub.db"
    else:
        place = request.getfixturevalue("hub_url")
    with closing(open_store(place)) as opened:
        yield opened
