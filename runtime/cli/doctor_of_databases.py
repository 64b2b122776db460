"""`perdure doctor` for a hub in PostgreSQL."""

import time
from collections.abc import Iterator

from perdure.actors.repertoire import read
from perdure.persistence.postgres_checkup import DatabaseCheckup, examine
from perdure.persistence.records import Queue

from .findings import Finding, contents_findings, schema_finding, shown_size
from .printing import Printer

_TRANSACTION_SECONDS_MAX = 300
_WAITED_MICROSECONDS_MAX = 300_000_000
_ADVICE = {
    "fsync": "a crash of the server may damage everything: set it on, and restart the server",
    "full_page_writes": "a crash of the server may damage tables: set it on",
    "synchronous_commit": "a crash of the server loses what was acknowledged: set it on",
    "autovacuum": "tables grow for ever without it: set it on",
}


def database_findings(url: str, printer: Printer) -> Iterator[Finding]:
    """Look at a hub. Raises `StoreError` for what cannot be reached."""
    checkup = examine(url, time.time_ns() // 1_000)
    yield Finding(
        "server",
        "ok",
        f"PostgreSQL {checkup.server} at {checkup.location}; "
        f"the hub has {shown_size(checkup.size)}",
    )
    yield from _settings(checkup)
    yield _transactions(checkup)
    yield schema_finding(checkup.schema_version, checkup.newest_schema_version)
    if checkup.contents is not None:
        yield _partitions(checkup)
        yield from contents_findings(checkup.contents, _owners(checkup), printer)
        yield _shared(checkup)


def _settings(checkup: DatabaseCheckup) -> Iterator[Finding]:
    off = [name for name, value in checkup.settings.items() if value == "off"]
    for name in off:
        yield Finding("settings", "problem", f"{name} is off", _ADVICE[name])
    if not off:
        yield Finding("settings", "ok", f"{', '.join(checkup.settings)} are on")


def _transactions(checkup: DatabaseCheckup) -> Finding:
    longest = checkup.longest_transaction
    if longest < _TRANSACTION_SECONDS_MAX:
        return Finding("transactions", "ok", "nobody has been in one for long")
    message = f"somebody has been in one for {longest:.0f} s, which keeps dead rows alive"
    fix = "see pg_stat_activity; idle_in_transaction_session_timeout ends forgotten ones"
    return Finding("transactions", "problem", message, fix)


def _partitions(checkup: DatabaseCheckup) -> Finding:
    """Whether the URL asks for as many as the hub has; what runs the hub refuses any other."""
    has, asked = checkup.partitions, checkup.asked_partitions
    if asked in {None, has}:
        return Finding("partitions", "ok", f"{has}, which was fixed when the hub was made")
    message = f"the hub has {has}, but the URL says partitions={asked}: a runtime refuses that"
    fix = "leave partitions= out of the URL: how many there are is fixed when the hub is made"
    return Finding("partitions", "problem", message, fix)


def _shared(checkup: DatabaseCheckup) -> Finding:
    """The activities that any worker may run."""
    waiting = [queue for queue in checkup.queues if queue.waiting]
    told = "; ".join(_queue(queue) for queue in waiting)
    having = {
        needed.name
        for worker in checkup.workers
        for needed in read(worker.repertoire)
        if needed.kind == "activity"
    }
    if not waiting:
        running = sum(queue.taken for queue in checkup.queues)
        return Finding("shared", "ok", f"no shared activity waits, {running} are being run")
    if not checkup.workers:
        return Finding("shared", "note", told, "they are taken when a runtime runs that has them")
    if lacking := [queue.name for queue in waiting if queue.name not in having]:
        fix = f"no worker has {', '.join(lacking)}: start one that does"
        return Finding("shared", "problem", told, fix)
    if max(queue.silent for queue in waiting) > _WAITED_MICROSECONDS_MAX:
        fix = "those who have them are busy: start more workers, or let them run more at a time"
        return Finding("shared", "problem", told, fix)
    return Finding("shared", "ok", told)


def _queue(queue: Queue) -> str:
    waited = f", the first for {queue.silent / 1_000_000:.0f} s" if queue.silent >= 0 else ""
    return f"{queue.waiting} of {queue.name} wait{waited}"


def _owners(checkup: DatabaseCheckup) -> str | None:
    """Who runs it; a worker may own a part of the partitions."""
    owners = [worker for worker in checkup.workers if worker.partitions]
    if not owners:
        return None
    named = [f"{worker.name} runs {worker.partitions}" for worker in owners]
    free = checkup.partitions - sum(worker.partitions for worker in owners)
    left = f"; nobody runs {free}" if free else ""
    return f"{', '.join(named)} of {checkup.partitions} partitions{left}"
