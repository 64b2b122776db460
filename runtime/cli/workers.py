"""`perdure workers`: who runs a store."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

from perdure.actors.moments import moment
from perdure.persistence.owner_lock import OwnerLock
from perdure.persistence.records import WorkerRow
from perdure.persistence.sharing import SharedStore

from .documents import timestamp
from .printing import table
from .session import Session
from .stores import Database, Place, opened

_SECOND = 1_000_000


def workers(session: Session) -> None:
    """List the processes that run a store, and of a hub in PostgreSQL what each of them does."""
    place = session.store("workers")
    printer = session.printer
    found = [*_found(place)]
    if printer.as_json:
        for document in found:
            printer.document(document)
    elif found:
        rows = (
            [
                each["name"],
                _numbers(each["partitions"]),
                "" if each["lag"] is None else str(each["lag"]),
                _seconds(each["silentSeconds"]),
                _seconds(each["leaseSeconds"]),
            ]
            for each in found
        )
        printer.show(table("WORKER", "PARTITIONS", "LAG", "SILENT", "LEASE", rows=rows))
    if not any(each["alive"] for each in found):
        printer.remark(f"no runtime runs {place}")


def _found(place: Place) -> Iterator[dict[str, Any]]:
    if isinstance(place, Database):
        with closing(opened(place)) as store:
            yield from map(_document, cast("SharedStore", store).workers())
        return
    holder = OwnerLock(place.resolve()).holder()
    if holder is not None:
        lone = WorkerRow("", f"pid {holder}", [], 0, 0, 0)
        unknown = dict.fromkeys(("workerId", "partitions", "since", "silentSeconds"))
        yield _document(lone) | unknown | {"alive": True, "leaseSeconds": None, "lag": None}


def _document(worker: WorkerRow) -> dict[str, Any]:
    return {
        "workerId": worker.id,
        "name": worker.name,
        "alive": worker.lease > 0,
        "partitions": worker.partitions,
        "since": timestamp(moment(worker.entered)),
        "silentSeconds": worker.silent / _SECOND,
        "leaseSeconds": worker.lease / _SECOND,
        "lag": worker.lag,
    }


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


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
