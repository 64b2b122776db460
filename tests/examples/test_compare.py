"""The demo's second look: it sees damage, and tells it from what changed since."""

import os
from pathlib import Path

import pytest

from backup import Job, app, back_up
from compare import Comparison, compare
from perdure import Runtime

LETTER = "letter.txt"


@pytest.fixture
async def backed_up(job: Job) -> Job:
    async with Runtime(app) as runtime:
        await (await runtime.client.start_new(back_up, job)).result()
    return job


def look(job: Job) -> Comparison:
    return compare(job.folder, job.vault, [])


def set_content(path: Path, content: bytes) -> None:
    """Write without a trace in size or time."""
    known = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))


async def test_an_equal_copy_has_no_difference(backed_up: Job) -> None:
    found = look(backed_up)
    assert (found.files, found.others, found.changed, found.different) == (4, 4, [], [])


async def test_one_other_byte_is_a_difference(backed_up: Job) -> None:
    letter = backed_up.folder / LETTER
    set_content(letter, b"T" + letter.read_bytes()[1:])
    assert look(backed_up).different == [LETTER]


async def test_a_file_that_was_not_backed_up_is_a_difference(backed_up: Job) -> None:
    plan = backed_up.vault.work / "plan" / "rest.json"
    (backed_up.folder / "new").touch()
    assert look(backed_up).changed == ["new"]
    os.utime(plan, (2**32, 2**32))
    assert look(backed_up).different == ["new"]


async def test_what_changed_since_is_no_damage(backed_up: Job) -> None:
    (backed_up.folder / LETTER).write_text("new")
    (backed_up.folder / "deep" / "copy.txt").unlink()
    found = look(backed_up)
    assert sorted(found.changed) == ["deep/copy.txt", LETTER]
    assert not found.different


async def test_a_link_to_elsewhere_is_seen(backed_up: Job) -> None:
    link = backed_up.folder / "link"
    link.unlink()
    link.symlink_to("nothing")
    assert look(backed_up).changed == ["link"]
