"""`perdure workers`: who runs a hub."""

from typing import Any

from perdure.runtime.client.status_document import queue_document, worker_document

from .printing import Printer, table
from .session import Session
from .target import Target


async def workers(session: Session) -> None:
    """List the processes that run a hub, and of one in PostgreSQL what each of them does."""
    printer = session.printer
    async with session.target() as target:
        found = await _found(target)
        queues = [queue_document(queue) for queue in await target.queues()]
        absence = await target.absence()
    if printer.as_json:
        for document in (*found, *queues):
            printer.document(document)
    else:
        _show(printer, found, queues)
    if absence is not None:
        printer.remark(absence)
    elif not found:
        printer.remark(f"{target.place} tells of no workers: its hub is owned by one runtime")


def _show(printer: Printer, found: list[dict[str, Any]], queues: list[dict[str, Any]]) -> None:
    if found:
        printer.show(table("WORKER", "PARTITIONS", "LAG", "SILENT", "LEASE", rows=map(_row, found)))
    if queues:
        heads = ("SHARED ACTIVITY", "WAITING", "TAKEN", "OLDEST", "WORKERS")
        printer.show(table(*heads, rows=map(_queue_row, queues)))


def _queue_row(queue: dict[str, Any]) -> list[str]:
    workers: list[str] = queue["workers"]
    return [
        queue["activity"],
        str(queue["waiting"]),
        str(queue["taken"]),
        _seconds(queue["waitedSeconds"]),
        str(len(workers)) if workers else "none has it",
    ]


async def _found(target: Target) -> list[dict[str, Any]]:
    found = [worker_document(worker) for worker in await target.workers()]
    owner = await target.owner()
    return found if owner is None else [_owner_document(owner)]


def _owner_document(name: str) -> dict[str, Any]:
    """Who owns a file has all of it, and a lock in place of a lease."""
    return {
        "workerId": None,
        "name": name,
        "alive": True,
        "partitions": None,
        "since": None,
        "silentSeconds": None,
        "leaseSeconds": None,
        "lag": None,
    }


def _row(found: dict[str, Any]) -> list[str]:
    return [
        found["name"],
        _numbers(found["partitions"]),
        "" if found["lag"] is None else str(found["lag"]),
        _seconds(found["silentSeconds"]),
        _lease(found["leaseSeconds"]),
    ]


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def _lease(seconds: float | None) -> str:
    return "ended" if seconds is not None and seconds <= 0 else _seconds(seconds)


def _numbers(numbers: list[int] | None) -> str:
    """Partitions in short, such as `0-3, 7`."""
    if numbers is None:
        return "all"
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    shown = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(shown) or "none"
