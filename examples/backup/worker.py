"""The process that backs a folder up. Kill it whenever you like and start it again.

`--tell continue` or `--tell skip` answers a backup that waits because it could not read something.
"""

import argparse
import os
import sys
import threading
from pathlib import Path

import anyio

from backup import Job, Summary, app, back_up, job_of
from bar import counted
from perdure import Client, InstanceAlreadyExistsError, OrchestrationFailedError, Reuse, Runtime
from tree import lies_inside
from vault import Vault

INSTANCE = "backup"
WORKER = Path(__file__)


async def run(job: Job) -> Summary:
    """Start the backup, or go on with the one that is in the target, and wait for its end."""
    job.vault.prepare()
    async with Runtime(app, job.vault.store) as runtime:
        client = runtime.client
        try:
            instance = await client.start_new(back_up, job, instance_id=INSTANCE, reuse=Reuse.NEVER)
        except InstanceAlreadyExistsError:
            instance = client.instance(INSTANCE, Summary)
        return await instance.result()


async def tell(target: Path, answer: str) -> None:
    """Answer the backup in that target, from any process."""
    async with Client(Vault(target).store) as client:
        await client.raise_event(INSTANCE, answer)


def checked_job(
    source: Path, target: Path, excluded: list[str], patience: float, pause: float = 0.0
) -> Job:
    """A job with absolute paths; exits for folders that cannot be right."""
    if not source.is_dir():
        sys.exit(f"backup: there is no folder {str(source)!r}")
    if lies_inside(source, target):
        sys.exit("backup: the source lies inside the target")
    return job_of(source.absolute(), target.absolute(), excluded, patience, pause)


def leave_with_parent() -> None:
    """End this process when its standard input closes, as it does when who started it is gone."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)  # Like any kill: what is not recorded is done again.

    threading.Thread(target=wait, daemon=True).start()


def arguments(description: str) -> argparse.ArgumentParser:
    """What the worker and the demo have in common."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--exclude", action="append", default=[], metavar="PATH")
    parser.add_argument("--patience", type=float, default=3600.0, metavar="SECONDS")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    return parser


def main() -> None:
    parser = arguments("Back a folder up, or go on with it.")
    parser.add_argument("--source", type=Path)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--pause", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--leave-with-parent", action="store_true", help="end with the stdin")
    parser.add_argument("--tell", choices=("continue", "skip"))
    options = parser.parse_args()
    if options.tell is not None:
        anyio.run(tell, options.target, options.tell)
        return
    if options.source is None:
        parser.error("--source is missing")
    if options.leave_with_parent:
        leave_with_parent()
    job = checked_job(
        options.source, options.target, options.exclude, options.patience, options.pause
    )
    try:
        summary = anyio.run(run, job, backend=options.backend)
    except OrchestrationFailedError as error:
        sys.exit(f"backup: {error}")
    print(
        f"{counted(summary.files, 'file')}, {summary.bytes} bytes, kept in {summary.stored} bytes"
    )


if __name__ == "__main__":
    main()
