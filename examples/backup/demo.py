"""Back a folder up, kill the process in the middle, go on, and compare every byte.

    python examples/backup/demo.py                      the standard library of this Python
    python examples/backup/demo.py --source FOLDER      any folder; it is only read
    python examples/backup/demo.py --target FOLDER      keep the backup, in a new or empty folder

Exit status 0 says that the backup is its source, and that nothing recorded was done again.
"""

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
from pathlib import Path

import anyio
import anyio.abc
from attrs import define

from backup import Job, Progress, Totals, app, copy_batch
from bar import Bar, megabytes, share
from compare import Comparison, compare
from names import original
from perdure import Client
from worker import INSTANCE, WORKER, arguments, checked_job

KILL_AT = 0.4
LOOK_EVERY = 0.02
LISTED = 5


class WorkerFailedError(Exception):
    """The process that backs up ended by itself, and not well."""


@define
class Demo:
    """One run."""

    job: Job
    bar: Bar
    backend: str
    kill_at: float

    async def run(self) -> bool:
        """Show everything; returns whether all is as it should be."""
        say, began = self.bar.say, time.monotonic()
        say(f"backing up {self.job.source}\n        to {self.job.target}")
        self.job.vault.prepare()
        async with Client(self.job.vault.store, app) as client:
            killed = await self._until_killed(client)
            recorded = await recorded_files(client)
            if killed:
                say(f"killed process {killed} (SIGKILL); {len(recorded):,} copies are recorded")
                await self._until_done(client)
            totals = await client.entity(Totals, INSTANCE).read() or Totals()
        again = self._tell_who_did_what(killed, recorded)
        say(f"backup complete after {time.monotonic() - began:.1f} s; comparing byte by byte")
        excluded = [original(path) for path in self.job.excluded]
        found = compare(self.job.folder, self.job.vault, excluded)
        self._tell_comparison(found, totals)
        return not found.different and not again

    async def _until_killed(self, client: Client) -> int:
        """Watch a first process and kill it; returns its id, or 0 when it was too quick."""
        async with self._worker() as process:
            while process.returncode is None:
                progress, totals = await look(client)
                self.bar.show(progress, totals)
                if share(progress, totals) >= self.kill_at and progress.phase == "copying":
                    process.kill()
                    await process.wait()
                    self.bar.leave(progress, totals)
                    return process.pid
                await self._wait(client, process, progress)
            self._ended(process)
            self.bar.say("the backup was complete before it could be killed")
            return 0

    async def _until_done(self, client: Client) -> None:
        async with self._worker() as process:
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
        command += ["--patience", str(job.patience)]
        for path in job.excluded:
            command += ["--exclude", original(path)]
        async with await anyio.open_process(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=None
        ) as process:
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.kill()

    def _ended(self, process: anyio.abc.Process) -> None:
        if process.returncode != 0:
            raise WorkerFailedError(f"process {process.pid} ended with {process.returncode}")

    def _tell_who_did_what(self, killed: int, recorded: set[str]) -> set[str]:
        """Count the copies of each process; returns what was recorded and done again."""
        noted = self.job.vault.noted()
        if not killed:
            return set()
        before = set(noted.pop(killed, []))
        after = {path for paths in noted.values() for path in paths}
        again = recorded & after
        self.bar.say(
            f"process {killed} had copied {len(before):,} files, {len(recorded):,} recorded"
        )
        self.bar.say(
            f"its successor copied {len(after):,}: {len(after - before):,} others, "
            f"{len(after & before):,} whose end the kill left unrecorded, "
            f"and {len(again):,} of the recorded ones"
        )
        return again

    def _tell_comparison(self, found: Comparison, totals: Totals) -> None:
        say = self.bar.say
        for what, paths in (
            ("changed since they were copied, not compared", found.changed),
            ("DIFFERENT", found.different),
        ):
            if paths:
                say(f"{len(paths):,} {what}: {', '.join(paths[:LISTED])}")
        say(
            f"{found.files:,} files ({megabytes(found.bytes)}) equal, "
            f"{found.others:,} folders and links as well; "
            f"{megabytes(totals.saved_bytes)} saved by compression"
        )
        if found.different:
            say("NOT VERIFIED")
        elif found.skipped:
            say(f"verified, without the {found.skipped:,} that could not be read: see the manifest")
        else:
            say("verified")


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
    """The folder of the user, which has to be empty, or one that is removed in the end."""
    if given is not None:
        if given.exists() and any(given.iterdir()):
            sys.exit(f"demo: {str(given)!r} is not empty")
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    made = Path(tempfile.mkdtemp(prefix="perdure-backup-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def main() -> None:
    parser = arguments("Back a folder up, kill the process in the middle, and go on.")
    parser.set_defaults(patience=20.0)
    parser.add_argument("--source", default="", help="default: Python's standard library")
    parser.add_argument("--target", type=Path, help="default: a temporary folder")
    parser.add_argument("--kill-at", type=float, default=KILL_AT, metavar="SHARE")
    options = parser.parse_args()
    source, excluded = options.source, options.exclude
    if not source:
        source = sysconfig.get_path("stdlib")
        # What was installed beside it is not the standard library's.
        excluded = [*excluded, "site-packages", "dist-packages"]
    with target_folder(options.target) as target:
        job = checked_job(Path(source), target, excluded, options.patience)
        demo = Demo(job, Bar(), options.backend, options.kill_at)
        try:
            verified = anyio.run(demo.run, backend=options.backend)
        except WorkerFailedError as error:
            sys.exit(f"demo: {error}")
    sys.exit(0 if verified else 1)


if __name__ == "__main__":
    main()
