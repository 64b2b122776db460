"""What `perdure doctor` finds in a hub, whatever that lies in."""

from collections.abc import Iterator
from typing import Any, Literal

import orjson
from attrs import frozen

from perdure.actors.moments import moment
from perdure.actors.status import TERMINAL
from perdure.persistence.checkup import Contents
from perdure.persistence.schema import UNFINISHED

from .printing import Printer

Level = Literal["ok", "note", "problem"]


@frozen
class Finding:
    """What one check found."""

    check: str
    level: Level
    message: str
    fix: str | None = None


def schema_finding(version: int, newest: int) -> Finding:
    """Whether the schema is the one that this version writes."""
    if version == newest:
        return Finding("schema", "ok", f"version {version}, as this Perdure writes it")
    if version >= UNFINISHED:
        message = "it is the half-done copy of another hub"
        fix = "run that `perdure move` again, which goes on with it, or delete it"
        return Finding("schema", "problem", message, fix)
    message = f"version {version}, but this Perdure writes {newest}"
    if version > newest:
        return Finding("schema", "problem", message, "use the newer Perdure that wrote it")
    fix = "start the runtime with this Perdure once, which moves it forward"
    return Finding("schema", "problem", message, fix)


def contents_findings(contents: Contents, owner: str | None, printer: Printer) -> Iterator[Finding]:
    """What there is, and what of it is stuck; `owner` says who runs it, None that nobody does."""
    yield _contents(contents)
    yield _owner(contents, owner)
    yield _parked(contents)
    yield _overdue(contents, owner, printer)
    yield _locks(contents)
    yield _logs(contents)
    yield _replies(contents)


def _contents(contents: Contents) -> Finding:
    by_status = [f"{number} {status.label}" for status, number in contents.statuses.items()]
    return Finding(
        "contents",
        "ok",
        f"{sum(contents.statuses.values())} orchestrations ({', '.join(by_status) or 'none'}), "
        f"{contents.entities} entities, {contents.turns} turns, {contents.timers} timers, "
        f"{contents.mailbox + contents.inbox} messages",
    )


def _owner(contents: Contents, owner: str | None) -> Finding:
    if owner is not None:
        return Finding("owner", "ok", owner)
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
    fix = (
        "`perdure why ID` says what does not fit; with code that does they go on when a runtime "
        "starts, or by `perdure resume ID`"
    )
    return Finding("parked", "problem", listed(contents.parked.count, named), fix)


def _reason(text: str) -> str:
    try:
        document: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "unreadable"
    return str(document.get("reason", "unknown"))


def _overdue(contents: Contents, owner: str | None, printer: Printer) -> Finding:
    if not contents.overdue.count:
        return Finding("overdue", "ok", "no timer or message is overdue")
    named = [
        f"{actor_id} since {printer.time(moment(due))}" for actor_id, due in contents.overdue.first
    ]
    message = listed(contents.overdue.count, named)
    if owner is None:
        return Finding("overdue", "note", message, "they come at once when a runtime runs")
    fix = (
        "whoever runs it is behind or hangs: look at its log, its CPU and whether something "
        "blocks its event loop; a restart loses nothing"
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
    return Finding("locks", "problem", listed(stuck.count, named), "`perdure entity clean`")


def _logs(contents: Contents) -> Finding:
    lost = contents.lost_turns
    if not lost.count:
        return Finding("logs", "ok", "no log lacks a turn")
    named = [f"{instance_id} ({what})" for instance_id, what in lost.first]
    fix = "restore a backup; or terminate these, purge them, and start them anew"
    return Finding("logs", "problem", listed(lost.count, named), fix)


def _replies(contents: Contents) -> Finding:
    if not contents.old_replies:
        return Finding("replies", "ok", f"{contents.replies} answers wait for their callers")
    message = f"{contents.old_replies} answers of {contents.replies} were not taken for an hour"
    fix = "nothing to do: they are forgotten after a day, when another process asks for one"
    return Finding("replies", "note", message, fix)


def listed(count: int, named: list[str]) -> str:
    """How many there are, and which those are that are named."""
    more = f" and {count - len(named)} more" if count > len(named) else ""
    return f"{count}: {', '.join(named)}{more}"


def shown_size(size: float) -> str:
    """Bytes in the unit that suits them."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - what a KiB is
            return f"{size:.3g} {unit}" if unit != "bytes" else f"{int(size)} bytes"
        size /= 1024
    return f"{size:.3g} TiB"
