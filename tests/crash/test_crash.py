"""A process that is killed again and again loses nothing and does nothing twice."""

from pathlib import Path
from random import Random

import pytest

from disturbances import Victim

DEATHS = ("kill", "early", "kill", "kill")


@pytest.mark.parametrize("world", ["asyncio-sqlite", "trio-sqlite", "trio-postgres"])
def test_kills_at_random_moments_lose_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, world: str
) -> None:
    backend, kind = world.split("-")
    url = ""
    if kind == "postgres":
        # The next process takes over as soon as the lease of the killed one has ended.
        url = str(request.getfixturevalue("hub_url")).replace("lease=1", "lease=0.3")
    victim = Victim(tmp_path, Random(world), backend, url=url)  # noqa: S311 - not for secrets
    for death in DEATHS:
        victim.live(death)
    figures = victim.finish()
    assert figures.problems == []
    assert figures.judged > 50
