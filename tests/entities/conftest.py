"""The stores that entities live in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.persistence.memory import MemoryStore
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.store import Store


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "hub.db")
    yield made
    made.close()
