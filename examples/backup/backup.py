"""Backing a folder up as an orchestration that goes on where it was, whatever kills its process.

`back_up` lists the source, lets children copy it batch by batch, asks a human about what cannot be
read, and ends with a manifest that it has verified. Batches keep every history short, and what
grows with the source (the plan, the records) is in files of the vault and not in payloads.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import anyio
from attrs import asdict, define, evolve, frozen

from names import original, shown
from perdure import ActivityContext, App, OrchestrationContext, RetryPolicy, Task, TaskFailedError
from tree import Entry, Unreadable, scan
from vault import FileChangedError, Record, UnreadableError, Vault, read_json

T = TypeVar("T")

BATCH_FILES = 200
BATCHES_AT_ONCE = 4
COPIES_AT_ONCE = 8
VERIFIED_AT_ONCE = 1_000
PROBLEMS_SHOWN = 10

app = App("backup")


@frozen
class Job:
    """What is to be backed up, and where to. Paths are as `names.shown` writes them."""

    source: str
    target: str
    excluded: list[str]
    """Relative to the source."""
    patience: float = 3600.0
    """Seconds to wait for a human when something could not be read."""
    pause: float = 0.0
    """Seconds that each step takes at least, so that somebody can watch a small backup."""

    @property
    def folder(self) -> Path:
        """The source."""
        return Path(original(self.source))

    @property
    def vault(self) -> Vault:
        """The target."""
        return Vault(original(self.target))


@frozen
class Listing:
    """How much there is to do."""

    files: int
    batches: int
    unreadable: list[Unreadable]


@frozen
class Progress:
    """The custom status."""

    phase: str
    """`listing`, `copying`, `waiting`, `verifying` or `done`."""
    files: int = 0
    """In the source; how many are done is in the `Totals` of the instance."""
    problems: int = 0
    examples: list[str] = []  # noqa: RUF008 - never changed: the class is frozen
    """The first few things that could not be read."""


@frozen
class Summary:
    """The result."""

    files: int
    bytes: int
    stored: int
    """Bytes that the contents take in the vault, each counted once."""
    contents: int
    """Different ones; files that are equal share theirs."""
    skipped: int


class DamagedError(Exception):
    """The vault does not hold what was put into it; the message names the files."""


@app.entity
@define
class Totals:
    """What has been copied so far. A file is counted once, however often its copy was tried."""

    files: int = 0
    bytes: int = 0
    saved_bytes: int = 0
    """By compression; equal files save more, which `Summary` knows."""

    def add(self, size: int, stored: int) -> None:
        """Count a file."""
        self.files += 1
        self.bytes += size
        self.saved_bytes += size - stored


@app.activity
def list_source(job: Job) -> Listing:
    """Write the plan: `rest` for all that is no file, and numbered batches of files."""
    vault = job.vault
    vault.prepare()
    excluded = {original(path) for path in job.excluded}
    files: list[str] = []
    rest: list[dict[str, Any]] = []
    unreadable: list[Unreadable] = []
    for found in scan(job.folder, vault.folder, excluded):
        match found:
            case Unreadable():
                unreadable.append(found)
            case Entry(kind="file"):
                files.append(found.path)
            case Entry():
                rest.append(asdict(found))
    batches = list(batches_of(files, BATCH_FILES))
    for number, batch in enumerate(batches):
        vault.write_json(vault.work / "plan" / f"{number}.json", batch)
    vault.write_json(vault.work / "plan" / "rest.json", rest)
    return Listing(len(files), len(batches), unreadable)


@app.activity
def read_batch(job: Job, number: int) -> list[str]:
    """The files of a batch."""
    paths: list[str] = read_json(job.vault.work / "plan" / f"{number}.json")
    return paths


@app.activity(
    max_concurrency=COPIES_AT_ONCE,
    retry=RetryPolicy(max_attempts=5, first_interval=timedelta(seconds=0.2), backoff=2.0),
)
def copy_file(context: ActivityContext, job: Job, path: str) -> Record:
    """Bring a file into the vault; one that changes meanwhile, or a full disk, is tried again."""
    time.sleep(job.pause)
    record = job.vault.copy(job.folder, path, context.cancelled)
    job.vault.note(path)
    return record


@app.activity
def save_records(job: Job, number: int, records: list[Record]) -> None:
    """Keep what became of a batch for the manifest."""
    time.sleep(job.pause)
    document = [asdict(record) for record in records]
    job.vault.write_json(job.vault.work / "done" / f"{number}.json", document)


@app.activity
def write_manifest(job: Job, batches: int, skipped: list[Unreadable]) -> Summary:
    """Join the records of all batches into the manifest."""
    vault = job.vault
    vault.sweep()
    files: list[dict[str, Any]] = []
    for number in range(batches):
        files += read_json(vault.work / "done" / f"{number}.json")
    manifest = {
        "source": job.source,
        "excluded": job.excluded,
        "files": sorted(files, key=lambda file: file["path"]),
        "others": read_json(vault.work / "plan" / "rest.json"),
        "skipped": [asdict(problem) for problem in skipped],
    }
    vault.write_json(vault.manifest, manifest)
    contents = {file["digest"]: file["stored"] for file in files}
    size = sum(file["size"] for file in files)
    return Summary(len(files), size, sum(contents.values()), len(contents), len(skipped))


@app.activity
def verify(job: Job, start: int, stop: int) -> list[str]:
    """Read the contents of a slice of the manifest's files; returns the files with damage."""
    vault = job.vault
    files = read_json(vault.manifest)["files"][start:stop]
    wanted = {(file["digest"], file["size"]) for file in files}
    damaged = {digest for digest, size in wanted if not vault.is_intact(digest, size)}
    return [file["path"] for file in files if file["digest"] in damaged]


@app.orchestration
async def back_up(ctx: OrchestrationContext, job: Job) -> Summary:
    """Back `job.source` up. Raises `DamagedError` when the vault fails its verification."""
    ctx.set_custom_status(Progress("listing"))
    listing = await ctx.call_activity(list_source, job)
    while listing.unreadable and await try_again(ctx, job, listing, listing.unreadable):
        listing = await ctx.call_activity(list_source, job)

    ctx.set_custom_status(Progress("copying", listing.files))
    batches = listing.batches
    problems = await copy_all(ctx, job, dict.fromkeys(range(batches)))
    while problems and await try_again(ctx, job, listing, problems):
        again = list(batches_of([problem.path for problem in problems], BATCH_FILES))
        problems = await copy_all(ctx, job, dict(enumerate(again, batches)))
        batches += len(again)

    ctx.set_custom_status(Progress("verifying", listing.files))
    summary = await ctx.call_activity(
        write_manifest, job, batches, [*listing.unreadable, *problems]
    )
    starts = range(0, summary.files, VERIFIED_AT_ONCE)
    damaged = await ctx.task_all(
        [ctx.call_activity(verify, job, start, start + VERIFIED_AT_ONCE) for start in starts]
    )
    if lost := [path for paths in damaged for path in paths]:
        raise DamagedError(f"{len(lost)} files, such as {', '.join(lost[:PROBLEMS_SHOWN])}")
    ctx.set_custom_status(Progress("done", listing.files))
    return summary


@app.orchestration
async def copy_batch(
    ctx: OrchestrationContext, job: Job, number: int, paths: list[str] | None, totals: str
) -> list[Unreadable]:
    """Copy the files of a batch, or these; returns those that could not be read."""
    files = paths if paths is not None else await ctx.call_activity(read_batch, job, number)
    counter = ctx.entity(Totals, totals)
    records: list[Record] = []
    problems: list[Unreadable] = []

    async def copy(path: str) -> None:
        try:
            record = await ctx.call_activity(copy_file, job, path)
        except TaskFailedError as error:
            problems.append(Unreadable(path, reason_of(error)))
        else:
            records.append(record)
            counter.signal(Totals.add, record.size, record.stored)

    async with anyio.create_task_group() as group:
        for path in files:
            group.start_soon(copy, path)
    await ctx.call_activity(save_records, job, number, records)
    return problems


async def copy_all(
    ctx: OrchestrationContext, job: Job, batches: dict[int, list[str] | None]
) -> list[Unreadable]:
    """Copy batches, a few at once."""
    limit = anyio.Semaphore(BATCHES_AT_ONCE)
    problems: list[Unreadable] = []

    async def copy(number: int, paths: list[str] | None) -> None:
        async with limit:
            problems.extend(
                await ctx.call_sub_orchestrator(
                    copy_batch, job, number, paths, ctx.instance_id, retry=False
                )
            )

    async with anyio.create_task_group() as group:
        for number, paths in batches.items():
            group.start_soon(copy, number, paths)
    return problems


async def try_again(
    ctx: OrchestrationContext, job: Job, listing: Listing, problems: Sequence[Unreadable]
) -> bool:
    """Wait for the event `continue` (read it again) or `skip`; at the deadline it is `skip`."""
    examples = [f"{problem.path}: {problem.reason}"[:200] for problem in problems[:PROBLEMS_SHOWN]]
    working = Progress("copying", listing.files)
    ctx.set_custom_status(
        evolve(working, phase="waiting", problems=len(problems), examples=examples)
    )
    again = ctx.wait_for_external_event("continue")
    waits: list[Task[Any]] = [
        again,
        ctx.wait_for_external_event("skip"),
        ctx.create_timer(timedelta(seconds=job.patience)),
    ]
    first = await ctx.task_any(waits)
    for wait in waits:
        wait.cancel()
    ctx.set_custom_status(working)
    return first is again


def reason_of(error: TaskFailedError) -> str:
    """Why a file could not be read; raises the error again when it is about the vault."""
    for about_the_source in (UnreadableError, FileChangedError):
        if error.details.is_caused_by(about_the_source):
            return error.details.message
    raise error


def batches_of(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Cut into lists of at most `size`."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def job_of(
    source: Path, target: Path, excluded: Sequence[str], patience: float, pause: float = 0.0
) -> Job:
    """A job for paths as the operating system has them."""
    left_out = [shown(path) for path in excluded]
    return Job(shown(str(source)), shown(str(target)), left_out, patience, pause)
