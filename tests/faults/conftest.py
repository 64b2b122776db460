"""The stores that fail."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import pytest

from perdure.persistence.memory import MemoryStore
from perdure.persistence.opening import open_store
from perdure.testing.disturbed import DisturbedStore
from spare_hubs import SpareHubs


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def new_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], DisturbedStore]]:
    """Give what makes one new, empty store after the other."""
    numbers = count()

    def place(stack: ExitStack) -> str | Path:
        if request.param == "sqlite":
            return tmp_path / f"hub{next(numbers)}.db"
        spare_hubs: SpareHubs = request.getfixturevalue("spare_hubs")
        return stack.enter_context(spare_hubs.one())

    with ExitStack() as stack:

        def make() -> DisturbedStore:
            # The one before it has served its time.
            stack.close()
            if request.param == "memory":
                return DisturbedStore(MemoryStore())
            opened = open_store(place(stack), durability="relaxed")
            return DisturbedStore(stack.enter_context(closing(opened)))

        yield make
