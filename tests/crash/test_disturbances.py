"""A process that is stopped, out of disk, locked out or off in time, and then killed."""

from pathlib import Path
from random import Random

import pytest

from disturbances import Victim


@pytest.mark.parametrize(
    ("disturbance", "backend"),
    [("stop", "asyncio"), ("full", "trio"), ("locked", "asyncio"), ("clock", "trio")],
)
def test_nothing_acknowledged_is_lost_or_doubled(
    tmp_path: Path, disturbance: str, backend: str
) -> None:
    victim = Victim(tmp_path, Random(disturbance), backend)  # noqa: S311 - not for secrets
    for _ in range(2):
        victim.live(disturbance)
    victim.finish()
    figures = victim.figures
    assert figures.problems == []
    assert figures.acknowledged > 20
    if disturbance == "full":
        assert figures.unknown > 0
