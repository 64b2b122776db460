"""A small folder to back up, and a place for the backup."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from backup import Job, job_of

PATIENCE = timedelta(hours=1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree with equal files, an empty folder and a link."""
    folder = tmp_path / "source"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "letter.txt").write_text("to whom it may concern\n" * 100)
    (folder / "deep" / "copy.txt").write_text("to whom it may concern\n" * 100)
    (folder / "deep" / "er" / "noise.bin").write_bytes(os.urandom(5_000))
    (folder / "nothing").touch()
    (folder / "link").symlink_to("letter.txt")
    return folder


@pytest.fixture
def job(tmp_path: Path, source: Path) -> Job:
    return job_of(source, tmp_path / "target", [], PATIENCE.total_seconds())
