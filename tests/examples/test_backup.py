"""The backup of a small folder, with everything that may go wrong on the way."""

from datetime import timedelta
from pathlib import Path

import pytest

from backup import (
    DamagedError,
    Job,
    Listing,
    Progress,
    Summary,
    Totals,
    app,
    back_up,
    copy_file,
    list_source,
    write_manifest,
)
from compare import compare
from perdure import Instance, OrchestrationFailedError, Status
from perdure.testing import Environment
from tree import Unreadable
from vault import Record, read_json

LETTER = "letter.txt"


async def started(env: Environment, job: Job) -> Instance[Summary]:
    return await env.client.start_new(back_up, job, instance_id="backup")


def loses(env: Environment, source: Path, name: str) -> bytes:
    """Let a file vanish between the listing and the copy; returns what was in it."""
    content = (source / name).read_bytes()

    def list_and_lose(job: Job) -> Listing:
        listing = list_source(job)
        (source / name).unlink()
        return listing

    env.stub(list_source, list_and_lose)
    return content


async def progress(env: Environment) -> Progress:
    await env.settle()
    status = await env.client.get_status("backup")
    assert status is not None
    shown: Progress = status.read_custom_status(Progress)
    return shown


async def test_a_backup_is_its_source(job: Job, source: Path) -> None:
    async with Environment(app) as env:
        instance = await started(env, job)
        summary = await instance.result()
        totals = await env.client.entity(Totals, "backup").read()
        assert (await progress(env)).phase == "done"
    assert (summary.files, summary.contents, summary.skipped) == (4, 3, 0)
    records = read_json(job.vault.manifest)["files"]
    assert totals == Totals(
        4, summary.bytes, summary.bytes - sum(record["stored"] for record in records)
    )
    found = compare(source, job.vault, [])
    assert (found.files, found.others, found.different) == (4, 4, [])


async def test_a_second_backup_of_the_same_content_stores_nothing_new(job: Job) -> None:
    async with Environment(app) as env:
        await (await started(env, job)).result()
        manifest = job.vault.manifest.read_bytes()
        blobs = {path: path.read_bytes() for path in job.vault.folder.glob("objects/*/*")}
        await (await started(env, job)).result()
    assert job.vault.manifest.read_bytes() == manifest
    assert {path: path.read_bytes() for path in job.vault.folder.glob("objects/*/*")} == blobs
    assert not list(job.vault.work.glob("draft-*"))


async def test_a_file_that_changes_while_read_is_read_again(job: Job, source: Path) -> None:
    edits = iter(["second version, and longer"])

    def edit() -> bool:
        for text in edits:
            (source / LETTER).write_text(text)
        return False

    def copy(job: Job, path: str) -> Record:
        return job.vault.copy(job.folder, path, edit if path == LETTER else bool)

    async with Environment(app) as env:
        env.stub(copy_file, copy)
        await (await started(env, job)).result()
        assert [path for _, path in env.calls_of(copy_file)].count(LETTER) == 2
    assert compare(source, job.vault, []).files == 4


async def test_a_file_that_never_rests_is_a_question(job: Job, source: Path) -> None:
    def copy(job: Job, path: str) -> Record:
        def edit() -> bool:
            with (source / path).open("a") as file:
                file.write("more")
            return False

        return job.vault.copy(job.folder, path, edit if path == LETTER else bool)

    async with Environment(app) as env:
        env.stub(copy_file, copy)
        instance = await started(env, job)
        await env.advance(timedelta(minutes=1))
        assert "changed while it was being read" in (await progress(env)).examples[0]
        await instance.raise_event("skip")
        assert (await instance.result()).skipped == 1


async def test_an_unreadable_file_is_read_when_told_so(job: Job, source: Path) -> None:
    async with Environment(app) as env:
        content = loses(env, source, LETTER)
        instance = await started(env, job)
        waiting = await progress(env)
        assert (waiting.phase, waiting.problems) == ("waiting", 1)
        (source / LETTER).write_bytes(content)
        await instance.raise_event("continue")
        assert (await instance.result()).files == 4
    assert compare(source, job.vault, []).files == 4


async def test_a_file_still_unreadable_is_asked_about_again(job: Job, source: Path) -> None:
    async with Environment(app) as env:
        loses(env, source, LETTER)
        instance = await started(env, job)
        await env.settle()
        await instance.raise_event("continue")
        assert (await progress(env)).phase == "waiting"
        await instance.raise_event("skip")
        assert (await instance.result()).skipped == 1


async def test_an_unreadable_file_is_skipped_at_the_deadline(job: Job, source: Path) -> None:
    async with Environment(app) as env:
        loses(env, source, LETTER)
        began = env.now
        summary = await (await started(env, job)).result()
        assert timedelta(hours=1) <= env.now - began < timedelta(hours=1, seconds=10)
    assert (summary.files, summary.skipped) == (3, 1)
    skipped = read_json(job.vault.manifest)["skipped"]
    assert [(problem["path"], "FileNotFoundError" in problem["reason"]) for problem in skipped] == [
        (LETTER, True)
    ]


async def test_a_question_outlives_a_crash(job: Job, source: Path) -> None:
    async with Environment(app) as env:
        loses(env, source, LETTER)
        await started(env, job)
        assert (await progress(env)).phase == "waiting"
        await env.crash()
        await env.client.raise_event("backup", "skip")
        assert (await env.client.instance("backup", Summary).result()).files == 3


async def test_an_unreadable_folder_is_listed_when_told_so(job: Job) -> None:
    listings = [Listing(0, 0, [Unreadable("deep", "PermissionError: Permission denied")])]

    def list_badly_first(job: Job) -> Listing:
        return listings.pop() if listings else list_source(job)

    async with Environment(app) as env:
        env.stub(list_source, list_badly_first)
        instance = await started(env, job)
        assert (await progress(env)).examples == ["deep: PermissionError: Permission denied"]
        await instance.raise_event("continue")
        assert (await instance.result()).files == 4


async def test_verification_finds_a_damaged_content(job: Job, source: Path) -> None:
    def write_and_damage(job: Job, batches: int, skipped: list[Unreadable]) -> Summary:
        summary = write_manifest(job, batches, skipped)
        [record] = [r for r in read_json(job.vault.manifest)["files"] if r["path"] == LETTER]
        blob = job.vault.blob(record["digest"])
        blob.write_bytes(blob.read_bytes()[:-12])
        return summary

    async with Environment(app) as env:
        env.stub(write_manifest, write_and_damage)
        instance = await started(env, job)
        with pytest.raises(OrchestrationFailedError) as failed:
            await instance.result()
    assert failed.value.details.is_caused_by(DamagedError)
    assert LETTER in failed.value.details.message
    assert compare(source, job.vault, []).different == ["deep/copy.txt", "letter.txt"]


async def test_a_backup_whose_target_was_full_can_be_rewound(job: Job, source: Path) -> None:
    space = False

    def copy(job: Job, path: str) -> Record:
        if not space:
            raise OSError(28, "No space left on device")
        return job.vault.copy(job.folder, path, bool)

    async with Environment(app) as env:
        env.stub(copy_file, copy)
        instance = await started(env, job)
        with pytest.raises(OrchestrationFailedError):
            await instance.result()
        space = True
        await env.client.rewind("backup")
        assert (await instance.result()).files == 4
        status = await instance.status()
    assert status is not None
    assert status.runtime_status is Status.COMPLETED
    assert compare(source, job.vault, []).files == 4
