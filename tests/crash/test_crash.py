"""A process that is killed again and again loses nothing and does nothing twice."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from crash_verdict import Notes, problems

WORKLOAD = Path(__file__).with_name("workload.py")
DEATHS = {"sqlite": 6, "postgresql": 3}


@pytest.fixture(params=["asyncio-sqlite", "trio-sqlite", "trio-postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Name a world, and the URL of a store."""
    backend, kind = request.param.split("-")
    if kind == "sqlite":
        return backend, f"sqlite:///{tmp_path / 'hub.db'}"
    # The next process takes over as soon as the lease of the killed one has ended.
    url: str = request.getfixturevalue("hub_url").replace("lease=1", "lease=0.3")
    return backend, url


def run(task: str, folder: Path, place: tuple[str, str], seed: int = 0, seconds: float = 0) -> str:
    backend, url = place
    command = [sys.executable, str(WORKLOAD), task, url, str(folder / "notes")]
    done = subprocess.run(
        [*command, backend, str(seed), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == (0 if task == "finish" else -signal.SIGKILL)
    return done.stdout


def test_kills_at_random_moments_lose_nothing(tmp_path: Path, place: tuple[str, str]) -> None:
    chance = Random(place[0])  # noqa: S311 - not for secrets
    for death in range(DEATHS[place[1].partition(":")[0]]):
        run("load", tmp_path, place, death, chance.uniform(0.3, 1.6))
    became: dict[str, Any] = json.loads(run("finish", tmp_path, place))
    notes = Notes(tmp_path / "notes")
    assert len(notes.of("ack", "start")) > 20
    assert problems(notes, became) == []
