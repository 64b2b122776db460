"""A process that is stopped, out of disk, locked out or off in time, and then killed."""

from pathlib import Path
from random import Random

import pytest

from disturbances import Victim


@pytest.mark.parametrize(
    ("disturbance", "backend"),
    [
        ("stop", "asyncio"),
        ("full", "trio"),
        ("read-only", "asyncio"),
        ("locked", "asyncio"),
        ("clock", "trio"),
    ],
)
def test_nothing_acknowledged_is_lost_or_doubled(
    tmp_path: Path, disturbance: str, backend: str
) -> None:
    victim = Victim(tmp_path, Random(disturbance), backend)  # noqa: S311 - not for secrets
    for _ in range(2):
        victim.live(disturbance)
    figures = victim.finish()
    assert figures.problems == []
    assert figures.judged > 20
    if disturbance in {"full", "read-only"}:
        assert figures.unknown > 0


@pytest.mark.parametrize("disturbance", ["stop", "clock"])
def test_a_database_server_makes_no_difference(
    tmp_path: Path, hub_url: str, disturbance: str
) -> None:
    url = hub_url.replace("lease=1", "lease=0.3")
    victim = Victim(tmp_path, Random(disturbance), url=url)  # noqa: S311 - not for secrets
    victim.live(disturbance)
    figures = victim.finish()
    assert figures.problems == []
    assert figures.judged > 20
