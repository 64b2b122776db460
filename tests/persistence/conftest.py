"""The stores that the contract is run over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.persistence.contract import OpenStore
from perdure.persistence.memory import MemoryStore
from perdure.persistence.sqlite import SQLiteStore


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Return what opens further handles on one task hub, all closed at the end."""
    if request.param == "memory":
        store = MemoryStore()
        yield lambda: store
        return
    opened: list[SQLiteStore] = []

    def open_another() -> SQLiteStore:
        opened.append(SQLiteStore(tmp_path / "hub.db"))
        return opened[-1]

    yield open_another
    for another in opened:
        another.close()
