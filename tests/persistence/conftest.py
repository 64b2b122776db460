"""The stores that the contract is run over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.persistence.contract import OpenShared, OpenStore
from perdure.persistence.memory import MemoryStore
from perdure.persistence.opening import open_store as open_url
from perdure.persistence.postgres import PostgresStore
from perdure.persistence.store import Store


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Return what opens further handles on one task hub, all closed at the end."""
    if request.param == "memory":
        store = MemoryStore()
        yield lambda: store
        return
    place: str | Path = tmp_path / "hub.db"
    if request.param == "postgres":
        place = request.getfixturevalue("hub_url")
    opened: list[Store] = []

    def open_another() -> Store:
        opened.append(open_url(place))
        return opened[-1]

    yield open_another
    for another in opened:
        another.close()


@pytest.fixture(params=["postgres"])
def open_shared(hub_url: str) -> Iterator[OpenShared]:
    """Return what opens further handles on one hub that workers can share."""
    opened: list[PostgresStore] = []

    def open_another() -> PostgresStore:
        opened.append(PostgresStore.at(hub_url))
        return opened[-1]

    yield open_another
    for another in opened:
        another.close()
