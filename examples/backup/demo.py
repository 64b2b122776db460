"""Back a folder up, kill the process in the middle, go on, and compare every byte.

    python examples/backup/demo.py                      the standard library of this Python
    python examples/backup/demo.py --source FOLDER      any folder; it is only read
    python examples/backup/demo.py --target FOLDER      keep the backup, or go on with it

Exit status 0 says that the backup is its source, and that nothing recorded was done again.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path

import anyio
import anyio.abc
from attrs import Factory, define, evolve

from backup import Job, Progress, Totals, app, copy_batch
from bar import Bar, counted, megabytes
from compare import Comparison, compare
from ending import AskedToEnd, heed_signals, unless_asked_to_end
from names import original
from perdure import Client
from tree import Entry, scan
from vault import Vault
from worker import INSTANCE, WORKER, arguments, checked_job

KILL_AT = 0.4
LOOK_EVERY = 0.02
LISTED = 5
FEW = 1_000
"""A folder with fewer files would be done before anybody could kill the process: each waits."""
PAUSE_MAX = 0.25


class OtherBackupError(Exception):
    """The target holds the backup of something else."""


class WorkerFailedError(Exception):
    """The process that backs up ended by itself, and not well."""


@define
class Demo:
    """One run."""

    job: Job
    bar: Bar
    backend: str
    kill_at: float
    files: int = 0
    killed: int = 0
    successor: int = 0
    totals: Totals = Factory(Totals)

    def run(self) -> bool:
        """Show everything; returns whether all is as it should be."""
        began = time.monotonic()
        try:
            recorded = anyio.run(unless_asked_to_end, self._back_up, backend=self.backend)
        finally:
            heed_signals()
        again = self._tell_who_did_what(recorded)
        self.bar.say(
            f"backup complete after {time.monotonic() - began:.1f} s; comparing byte by byte"
        )
        excluded = [original(path) for path in self.job.excluded]
        found = compare(self.job.folder, self.job.vault, excluded)
        self._tell_comparison(found)
        return not found.different and not again

    async def _back_up(self) -> set[str]:
        """Let a backup be killed and another process end it; returns what was recorded then."""
        say = self.bar.say
        say(f"backing up {self.job.source}\n        to {self.job.target}")
        self.job.vault.prepare()
        async with Client(self.job.vault.store, app, create=True) as client:
            await self._go_on_with_former(client)
            self.killed = await self._until_killed(client)
            recorded = await recorded_files(client)
            if self.killed:
                copies = counted(len(recorded), "recorded file")
                say(f"killed process {self.killed} (SIGKILL), after {copies}")
                await self._until_done(client)
            progress, self.totals = await look(client)
            self.files = progress.files
        return recorded

    async def _go_on_with_former(self, client: Client) -> None:
        status = await client.get_status(INSTANCE)
        if status is None:
            return
        former = status.read_input(Job)
        if (former.source, former.excluded) != (self.job.source, self.job.excluded):
            raise OtherBackupError(f"{self.job.target} holds a backup of {former.source}")
        self.bar.say("going on with what a former run has left there")

    async def _until_killed(self, client: Client) -> int:
        """Watch a first process and kill it; returns its id, or 0 when it was too quick."""
        _, former = await look(client)
        async with self._worker() as process:
            while process.returncode is None:
                progress, totals = await look(client)
                self.bar.show(progress, totals)
                copied, due = totals.files - former.files, progress.files - former.files
                if progress.phase == "copying" and copied >= max(1, self.kill_at * due):
                    process.kill()
                    await process.wait()
                    self.bar.leave(progress, totals)
                    return process.pid
                await self._wait(client, process, progress)
            self._ended(process)
            self.bar.leave(*await look(client))
            return 0

    async def _until_done(self, client: Client) -> None:
        async with self._worker() as process:
            self.successor = process.pid
            self.bar.say(f"started process {process.pid}, which goes on")
            while process.returncode is None:
                progress, totals = await look(client)
                self.bar.show(progress, totals)
                await self._wait(client, process, progress)
            self._ended(process)
            self.bar.leave(*await look(client))

    async def _wait(self, client: Client, process: anyio.abc.Process, progress: Progress) -> None:
        if progress.phase == "waiting":
            self.bar.say(f"{progress.problems:,} things cannot be read:")
            for example in progress.examples:
                self.bar.say(f"  {example}")
            target = shlex.quote(self.job.target)
            answer = f"{sys.executable} {WORKER} --target {target} --tell continue (or skip)"
            self.bar.say(f"skipping them in {self.job.patience:g} s, unless you say: {answer}")
            while process.returncode is None and progress.phase == "waiting":
                await anyio.sleep(LOOK_EVERY)
                progress, _ = await look(client)
        with anyio.move_on_after(LOOK_EVERY):
            await process.wait()

    @asynccontextmanager
    async def _worker(self) -> AsyncGenerator[anyio.abc.Process, None]:
        job = self.job
        command = [sys.executable, "-B", str(WORKER), "--backend", self.backend]
        command += ["--source", original(job.source), "--target", original(job.target)]
        command += ["--patience", str(job.patience), "--pause", str(job.pause)]
        command += ["--leave-with-parent"]
        for path in job.excluded:
            command += ["--exclude", original(path)]
        # In a session of its own, no Ctrl-C of the terminal reaches it; closing the pipe ends it.
        async with await anyio.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                with anyio.CancelScope(shield=True):
                    if process.stdin is not None:
                        await process.stdin.aclose()
                    await process.wait()

    def _ended(self, process: anyio.abc.Process) -> None:
        if process.returncode != 0:
            raise WorkerFailedError(f"process {process.pid} ended with {process.returncode}")

    def _tell_who_did_what(self, recorded: set[str]) -> set[str]:
        """Count the copies of each process; returns what was recorded and done again."""
        noted = self.job.vault.noted()
        if not self.killed:
            return set()
        before = set(noted.get(self.killed, []))
        after = set(noted.get(self.successor, []))
        again = recorded & after
        self.bar.say(
            f"process {self.killed} had copied {counted(len(before), 'file')}, "
            f"{len(recorded & before):,} recorded"
        )
        self.bar.say(
            f"its successor copied {len(after):,}: {len(after - before):,} others, "
            f"{len(after & before):,} whose end the kill left unrecorded, "
            f"and {len(again):,} of the recorded ones"
        )
        return again

    def _tell_comparison(self, found: Comparison) -> None:
        say = self.bar.say
        for what, paths in (
            ("changed since they were copied, not compared", found.changed),
            ("DIFFERENT", found.different),
        ):
            if paths:
                say(f"{len(paths):,} {what}: {', '.join(paths[:LISTED])}")
        say(
            f"{counted(found.files, 'file')} ({megabytes(found.bytes)}) equal, "
            f"{found.others:,} folders and links as well; "
            f"{megabytes(self.totals.saved_bytes)} saved by compression"
        )
        if found.different:
            verdict = "NOT VERIFIED"
        elif found.skipped:
            verdict = f"verified, without the {found.skipped:,} that could not be read"
        else:
            verdict = "verified"
        say(verdict if self.killed else f"{verdict}; the crash was not shown: {self._why_alive()}")

    def _why_alive(self) -> str:
        if not self.files:
            return "there was no file to copy"
        return "the backup was complete before its process could be killed"


async def look(client: Client) -> tuple[Progress, Totals]:
    """How far the backup is, as of its last commit."""
    status = await client.get_status(INSTANCE, show_input=False)
    totals = await client.entity(Totals, INSTANCE).read()
    progress = status.read_custom_status(Progress | None) if status is not None else None
    return progress or Progress("starting"), totals or Totals()


async def recorded_files(client: Client) -> set[str]:
    """The files whose copies are in the histories: a restart must not do these again."""
    paths: set[str] = set()
    async for batch in client.query_all(names=[copy_batch.__name__], show_payloads=False):
        for item in json.loads(await client.export_history(batch.instance_id)):
            if item["type"] == "TaskCompleted":
                match json.loads(item["event"].get("result", "null")):
                    case {"path": str(path)}:
                        paths.add(path)
                    case _:
                        pass
    return paths


@contextmanager
def target_folder(given: Path | None) -> Generator[Path, None, None]:
    """The folder of the user, empty or with a former backup, or one that is removed in the end."""
    if given is not None:
        if given.exists() and any(given.iterdir()) and not Vault(given).store.exists():
            sys.exit(f"demo: {str(given)!r} is not empty, and no backup: choose a new folder")
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    made = Path(tempfile.mkdtemp(prefix="perdure-backup-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def pause_for(source: Path, target: Path, excluded: list[str]) -> float:
    """How long each copy of a small folder has to wait, so that all take about a second."""
    found = scan(source, target, set(excluded))
    files = (entry for entry in found if isinstance(entry, Entry) and entry.kind == "file")
    number = sum(1 for _ in islice(files, FEW))
    return min(PAUSE_MAX, 8 / number) if 0 < number < FEW else 0.0


def show(target: Path, options: argparse.Namespace) -> bool:
    """Run the demo with that target."""
    source, excluded = options.source, options.exclude
    if not source:
        source = sysconfig.get_path("stdlib")
        # What was installed beside it is not the standard library's.
        excluded = [*excluded, "site-packages", "dist-packages"]
    job = checked_job(Path(source), target, excluded, options.patience)
    job = evolve(job, pause=pause_for(job.folder, job.vault.folder, excluded))
    return Demo(job, Bar(), options.backend, options.kill_at).run()


def main() -> None:
    parser = arguments("Back a folder up, kill the process in the middle, and go on.")
    parser.set_defaults(patience=20.0)
    parser.add_argument("--source", default="", help="default: Python's standard library")
    parser.add_argument("--target", type=Path, help="default: a temporary folder")
    parser.add_argument("--kill-at", type=float, default=KILL_AT, metavar="SHARE")
    options = parser.parse_args()
    heed_signals()
    try:
        with target_folder(options.target) as target:
            status = 0 if show(target, options) else 1
    except* (OtherBackupError, WorkerFailedError) as errors:
        status = 1
        print(f"demo: {errors.exceptions[0]}", file=sys.stderr)
    except* AskedToEnd as errors:
        (asked,) = (each for each in errors.exceptions if isinstance(each, AskedToEnd))
        status = 128 + asked.number
        kept = "; the same command goes on" if options.target is not None else ""
        print(f"\ndemo: interrupted{kept}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
