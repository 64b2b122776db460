"""Many open a file that is not there yet."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.persistence.sqlite import SQLiteStore

ROUNDS = 25


@pytest.fixture
def eager_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.00005)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_switching")
def test_no_opener_takes_it_for_foreign(tmp_path: Path) -> None:
    failures: list[Exception] = []

    def open_and_close(path: Path, together: threading.Barrier) -> None:
        together.wait()
        try:
            SQLiteStore(path).close()
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)

    for number in range(ROUNDS):
        arguments = tmp_path / f"hub{number}.db", threading.Barrier(6)
        openers = [threading.Thread(target=open_and_close, args=arguments) for _ in range(6)]
        for opener in openers:
            opener.start()
        for opener in openers:
            opener.join()
    assert failures == []
