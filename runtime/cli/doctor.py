"""`perdure doctor`: is this store well, and what to do if it is not."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import orjson
import typer
from attrs import asdict, frozen
from rich.text import Text

from perdure.actors.errors import StoreError
from perdure.actors.moments import moment
from perdure.actors.status import TERMINAL
from perdure.persistence.sqlite_checkup import Checkup, Contents, examine

from .ending import FAILED
from .printing import Printer
from .session import Session

Level = Literal["ok", "note", "problem"]

_MARKS = {"ok": ("✓", "green"), "note": ("•", "yellow"), "problem": ("✗", "bold red")}
_SIGNATURE = b"SQLite format 3\0"
_NO_STORE = "give the path of a store; if this was one, restore a backup"
_LOG_BYTES_MAX = 256 << 20
_FREE_BYTES_MIN = 64 << 20


@frozen
class Finding:
    """What one check found."""

    check: str
    level: Level
    message: str
    fix: str | None = None


def doctor(session: Session) -> None:
    """Check a store, live or at rest, without changing it; exit status 1 tells of problems."""
    path = session.file("doctor", exists=False)
    if not path.is_file():
        path = session.file("doctor")
    # What others refuse to work with is something to tell here.
    findings = [*_file_findings(path, session.printer)]
    for finding in findings:
        _show(session.printer, finding)
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(FAILED)


def _show(printer: Printer, finding: Finding) -> None:
    if printer.as_json:
        printer.document(asdict(finding))
        return
    mark, style = _MARKS[finding.level]
    mark = mark if not printer.paper.options.ascii_only else finding.level
    line = Text.assemble((mark, style), " ", (finding.check, "bold"), " ", finding.message)
    if finding.fix is not None:
        line.append(f"\n  {finding.fix}", "italic")
    printer.show(line)


def _file_findings(path: Path, printer: Printer) -> Iterator[Finding]:
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
    yield _schema(checkup)
    yield _integrity(checkup)
    contents = checkup.contents
    if contents is not None:
        yield _contents(contents)
        yield _owner(checkup, contents)
        yield _parked(contents)
        yield _overdue(checkup, contents, printer)
        yield _locks(contents)
        yield _replies(contents)


def _file(checkup: Checkup) -> Iterator[Finding]:
    sizes = f"{checkup.path} has {_size(checkup.size)}, its log {_size(checkup.log_size)}"
    if checkup.reusable:
        sizes += f"; {_size(checkup.reusable)} are free for reuse"
    if checkup.log_size > _LOG_BYTES_MAX:
        fix = "end whatever keeps reading it, such as an open sqlite3 shell or a stuck export"
        yield Finding("file", "problem", sizes, fix)
    else:
        yield Finding("file", "ok", sizes)
    free = shutil.disk_usage(checkup.path.resolve().parent).free
    if free < max(_FREE_BYTES_MIN, checkup.log_size):
        yield Finding("disk", "problem", f"only {_size(free)} are free", "make room on the disk")
    else:
        yield Finding("disk", "ok", f"{_size(free)} are free")


def _schema(checkup: Checkup) -> Finding:
    version, newest = checkup.schema_version, checkup.newest_schema_version
    if version == newest:
        return Finding("schema", "ok", f"version {version}, as this Perdure writes it")
    message = f"version {version}, but this Perdure writes {newest}"
    if version > newest:
        return Finding("schema", "problem", message, "use the newer Perdure that wrote it")
    fix = "start the runtime with this Perdure once, which moves it forward"
    return Finding("schema", "problem", message, fix)


def _integrity(checkup: Checkup) -> Finding:
    if not checkup.damage:
        return Finding("integrity", "ok", "every page and index is sound")
    fix = "stop the runtime, keep this file, and restore the newest backup"
    return Finding("integrity", "problem", "; ".join(checkup.damage), fix)


def _contents(contents: Contents) -> Finding:
    by_status = [f"{number} {status.label}" for status, number in contents.statuses.items()]
    return Finding(
        "contents",
        "ok",
        f"{sum(contents.statuses.values())} orchestrations ({', '.join(by_status) or 'none'}), "
        f"{contents.entities} entities, {contents.turns} turns, {contents.timers} timers, "
        f"{contents.mailbox + contents.inbox} messages",
    )


def _owner(checkup: Checkup, contents: Contents) -> Finding:
    if checkup.owner is not None:
        return Finding("owner", "ok", f"the process with pid {checkup.owner} runs it")
    unfinished = sum(n for status, n in contents.statuses.items() if status not in TERMINAL)
    waiting = contents.mailbox + contents.inbox
    if not unfinished and not waiting:
        return Finding("owner", "ok", "no runtime runs it, and nothing waits for one")
    message = f"no runtime runs it; {unfinished} instances and {waiting} messages wait for one"
    return Finding("owner", "note", message, "start the program, or `perdure run app:app`")


def _parked(contents: Contents) -> Finding:
    if not contents.parked.count:
        return Finding("parked", "ok", "nothing is parked")
    named = [f"{actor_id} ({_reason(text)})" for actor_id, text in contents.parked.first]
    fix = "`perdure why ID` says what does not fit; deploy code that does, then `perdure resume ID`"
    return Finding("parked", "problem", _listed(contents.parked.count, named), fix)


def _reason(text: str) -> str:
    document: dict[str, Any] = orjson.loads(text)
    return str(document.get("reason", "unknown"))


def _overdue(checkup: Checkup, contents: Contents, printer: Printer) -> Finding:
    if not contents.overdue.count:
        return Finding("overdue", "ok", "no timer or message is overdue")
    named = [
        f"{actor_id} since {printer.time(moment(due))}" for actor_id, due in contents.overdue.first
    ]
    message = _listed(contents.overdue.count, named)
    if checkup.owner is None:
        return Finding("overdue", "note", message, "they come at once when a runtime runs")
    fix = (
        f"the process with pid {checkup.owner} is behind or hangs: look at its log, its CPU and "
        "whether something blocks its event loop; a restart loses nothing"
    )
    return Finding("overdue", "problem", message, fix)


def _locks(contents: Contents) -> Finding:
    stuck = contents.stuck_locks
    if not stuck.count:
        return Finding("locks", "ok", "every lock has a holder that runs")
    named = [
        f"{lock.entity_id} by {lock.holder} "
        f"({'which is gone' if lock.status is None else lock.status.label})"
        for lock in stuck.first
    ]
    return Finding("locks", "problem", _listed(stuck.count, named), "`perdure entity clean`")


def _replies(contents: Contents) -> Finding:
    if not contents.old_replies:
        return Finding("replies", "ok", f"{contents.replies} answers wait for their callers")
    message = f"{contents.old_replies} answers of {contents.replies} were not taken for an hour"
    fix = "nothing to do: they are forgotten after a day, when another process asks for one"
    return Finding("replies", "note", message, fix)


def _listed(count: int, named: list[str]) -> str:
    more = f" and {count - len(named)} more" if count > len(named) else ""
    return f"{count}: {', '.join(named)}{more}"


def _size(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - what a KiB is
            return f"{size:.3g} {unit}" if unit != "bytes" else f"{int(size)} bytes"
        size /= 1024
    return f"{size:.3g} TiB"
