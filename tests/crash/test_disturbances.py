"""A process that is stopped, out of disk, locked out or off in time, and then killed."""

from pathlib import Path
from random import Random

import pytest

from disturbances import Victim
from small_disk import small_disk


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
    with small_disk(tmp_path) as disk:
        chance = Random(disturbance)  # noqa: S311 - not for secrets
        victim = Victim(tmp_path, chance, backend, disk=disk if disturbance == "full" else None)
        for _ in range(2):
            victim.live(disturbance)
        figures = victim.finish()
    assert figures.problems == []
    assert figures.judged > 20
    if disturbance in {"full", "read-only"}:
        assert figures.unknown > 0


def test_no_room_for_growth_is_survived(tmp_path: Path) -> None:
    victim = Victim(tmp_path, Random("limit"), "asyncio")  # noqa: S311 - not for secrets
    victim.live("full")
    figures = victim.finish()
    assert figures.problems == []
    assert figures.judged > 20


def test_a_database_server_makes_no_difference(tmp_path: Path, hub_url: str) -> None:
    url = hub_url.replace("lease=1", "lease=0.3")
    victim = Victim(tmp_path, Random("server"), url=url)  # noqa: S311 - not for secrets
    for disturbance in ("stop", "clock"):
        victim.live(disturbance)
    figures = victim.finish()
    assert figures.problems == []
    assert figures.judged > 20
