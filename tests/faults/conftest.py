"""The stores that fail."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perdure.persistence.memory import MemoryStore
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.store import Store
from perdure.testing.disturbed import DisturbedStore


@pytest.fixture(params=["memory", "sqlite"])
def new_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], DisturbedStore]]:
    """Give what makes one new, empty store after the other."""
    made: list[Store] = []

    def make() -> DisturbedStore:
        path = tmp_path / f"hub{len(made)}.db"
        made.append(
            MemoryStore() if request.param == "memory" else SQLiteStore(path, durability="relaxed")
        )
        return DisturbedStore(made[-1])

    yield make
    for store in made:
        store.close()
