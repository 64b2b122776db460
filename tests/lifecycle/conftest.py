"""The stores that lives are lived over."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from perdure.persistence.memory import MemoryStore
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.store import Store


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Give a new store; an environment over it comes back from a crash with what is in it."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with closing(SQLiteStore(tmp_path / "hub.db")) as opened:
        yield opened
