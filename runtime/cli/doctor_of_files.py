"""`perdure doctor` for a file."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from perdure.actors.errors import StoreError
from perdure.persistence.sqlite_checkup import Checkup, Rows, examine

from .findings import Finding, contents_findings, listed, schema_finding, shown_size
from .printing import Printer

_SIGNATURE = b"SQLite format 3\0"
_NO_STORE = "give the path of a store; if this was one, restore a backup"
_LOG_BYTES_MAX = 256 << 20
_FREE_BYTES_MIN = 64 << 20


def file_findings(path: Path, printer: Printer) -> Iterator[Finding]:
    """Look at a file that is there, whatever it holds."""
    with path.open("rb") as file:
        beginning = file.read(len(_SIGNATURE))
    if not beginning:
        fix = "`perdure run app:app` makes a store of it; or give the path of another"
        yield Finding("file", "problem", f"{path} is empty: no runtime has used it yet", fix)
        return
    if beginning != _SIGNATURE:
        shown = repr(beginning.decode("ascii", "backslashreplace"))
        message = f"{path} is no database: it begins with {shown}"
        yield Finding("file", "problem", message, _NO_STORE)
        return
    try:
        checkup = examine(path, time.time_ns() // 1_000)
    except StoreError as error:
        yield Finding("file", "problem", str(error), _NO_STORE)
        return
    yield from _findings(checkup, printer)


def _findings(checkup: Checkup, printer: Printer) -> Iterator[Finding]:
    yield from _file(checkup)
    yield schema_finding(checkup.schema_version, checkup.newest_schema_version)
    yield _integrity(checkup)
    if checkup.rows is not None:
        yield _checksums(checkup.rows)
    if checkup.contents is not None:
        owner = checkup.owner
        told = None if owner is None else f"the process with pid {owner} runs it"
        yield from contents_findings(checkup.contents, told, printer)


def _file(checkup: Checkup) -> Iterator[Finding]:
    sizes = f"{checkup.path} has {shown_size(checkup.size)}, its log {shown_size(checkup.log_size)}"
    if checkup.reusable:
        sizes += f"; {shown_size(checkup.reusable)} are free for reuse"
    if checkup.log_size > _LOG_BYTES_MAX:
        fix = "end whatever keeps reading it, such as an open sqlite3 shell or a stuck export"
        yield Finding("file", "problem", sizes, fix)
    else:
        yield Finding("file", "ok", sizes)
    free = shutil.disk_usage(checkup.path.resolve().parent).free
    if free < max(_FREE_BYTES_MIN, checkup.log_size):
        yield Finding(
            "disk", "problem", f"only {shown_size(free)} are free", "make room on the disk"
        )
    else:
        yield Finding("disk", "ok", f"{shown_size(free)} are free")


def _integrity(checkup: Checkup) -> Finding:
    if not checkup.damage:
        return Finding("integrity", "ok", "every page and index is sound")
    fix = "stop the runtime, keep this file, and restore the newest backup"
    return Finding("integrity", "problem", "; ".join(checkup.damage), fix)


def _checksums(rows: Rows) -> Finding:
    damaged, checked = rows.damaged, rows.sound + rows.damaged.count
    if damaged.count:
        named = [problem.partition(" is damaged")[0] for problem in damaged.first]
        _, _, shown = listed(damaged.count, named).partition(": ")
        message = f"{damaged.count} of {checked} rows are damaged: {shown}"
        fix = "restore the newest backup, or purge what these rows belong to"
        return Finding("checksums", "problem", message, fix)
    message = f"all {checked} rows are as they were written"
    if rows.unverified:
        message += f"; {rows.unverified} of before there were checksums cannot be told"
    return Finding("checksums", "ok", message)
