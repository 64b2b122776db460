"""`perdure status`, `list` and `count`: what there is."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from perdure.runtime.client.views import HistoryEvent, InstanceStatus

from .arguments import After, All, FilterOptions, InstanceId, Limit
from .documents import instance_document
from .printing import Printer, payload, properties, shown_status, table
from .session import Session
from .target import PAGE_SIZE, Filters, Target

_EVENT_FIELDS = ("name", "instance_id", "target", "operation", "task_id", "timer_id", "attempt")


async def status(
    session: Session,
    *,
    instance_id: InstanceId,
    history: Annotated[bool, typer.Option("--history", help="Its events too.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again at each change, until it has ended.")
    ] = False,
) -> None:
    """Show an instance: its status, input, output, failure, and what it waits for."""
    printer = session.printer
    async with session.target() as target:
        if not watch:
            found = await target.status(instance_id, history=history, waiting=True)
            _print(printer, found)
        elif printer.as_json:
            async for _ in target.changes(instance_id):
                _print(printer, await target.status(instance_id, history=history, waiting=True))
        else:
            await _repaint(printer, target, instance_id, history=history)


async def _repaint(printer: Printer, target: Target, instance_id: str, *, history: bool) -> None:
    with Live(console=printer.paper, auto_refresh=False) as live:
        async for _ in target.changes(instance_id):
            found = await target.status(instance_id, history=history, waiting=True)
            live.update(_sheet(printer, found), refresh=True)


def _print(printer: Printer, found: InstanceStatus) -> None:
    if printer.as_json:
        printer.document(instance_document(found))
    else:
        printer.show(_sheet(printer, found))


def _sheet(printer: Printer, found: InstanceStatus) -> RenderableType:
    tags = ", ".join(f"{key}={value}" for key, value in found.tags.items())
    parked = found.parked
    pairs: list[tuple[str, RenderableType]] = [
        ("instance", found.instance_id),
        ("name", _name(found)),
        ("status", shown_status(found.runtime_status, parked=parked is not None)),
        ("created", printer.time(found.created_time)),
        ("scheduled", printer.time(found.scheduled_start_time)),
        ("updated", printer.time(found.last_updated_time)),
        ("completed", printer.time(found.completed_time)),
        ("parent", found.parent_instance_id or ""),
        ("tags", tags),
        ("input", payload(found.input)),
        ("output", payload(found.output)),
        ("custom status", payload(found.custom_status)),
        ("failure", str(found.failure_details) if found.failure_details else ""),
        ("parked", parked.message if parked is not None else ""),
        ("waits for", "\n".join(str(waiting) for waiting in found.waiting_for or ())),
    ]
    parts: list[RenderableType] = [properties(pairs)]
    if found.history is not None:
        parts.append(table("TIME", "EVENT", "", rows=_events(printer, found.history)))
    return Group(*parts)


def _events(printer: Printer, history: list[HistoryEvent]) -> Iterator[list[RenderableType]]:
    for item in history:
        if item.event is not None:
            yield [printer.time(item.timestamp), item.event_type, _summary(item)]


def _summary(item: HistoryEvent) -> str:
    event = item.event
    parts = [str(value) for name in _EVENT_FIELDS if (value := getattr(event, name, None))]
    for name in ("input", "result", "output", "reason", "failure"):
        value = getattr(event, name, None)
        if value is not None:
            parts.append(f"{name} {value}")
    return "  ".join(parts)


async def listing(
    session: Session,
    *,
    which: FilterOptions,
    limit: Limit = PAGE_SIZE,
    after: After = None,
    every: All = False,
) -> None:
    """List orchestrations by creation, those that all options allow."""
    wanted = which.filters(session)
    async with session.target() as target:
        token = await _page(session.printer, target, wanted, limit, after)
        while every and token is not None:
            token = await _page(session.printer, target, wanted, limit, token)
        if token is not None:
            session.printer.remark(f"there are more: --all, or --after {token}")


async def _page(
    printer: Printer, target: Target, wanted: Filters, limit: int, token: str | None
) -> str | None:
    page = await target.page(wanted, limit, token)
    if printer.as_json:
        for found in page.instances:
            printer.document(instance_document(found))
    elif page.instances:
        rows = (_row(printer, found) for found in page.instances)
        printer.show(table("INSTANCE", "NAME", "STATUS", "CREATED", "UPDATED", rows=rows))
    elif token is None:
        printer.remark(f"nothing matches in {target.place}")
    return page.continuation_token


def _row(printer: Printer, found: InstanceStatus) -> list[RenderableType]:
    return [
        found.instance_id,
        _name(found),
        shown_status(found.runtime_status, parked=found.parked is not None),
        printer.time(found.created_time),
        printer.time(found.last_updated_time),
    ]


def _name(found: InstanceStatus) -> str:
    return found.name if found.version is None else f"{found.name} {found.version}"


async def count(
    session: Session,
    *,
    which: FilterOptions,
) -> None:
    """Count orchestrations by status, those that all options allow."""
    wanted = which.filters(session)
    async with session.target() as target:
        counts = await target.count(wanted)
    total = sum(counts.values())
    if session.printer.as_json:
        by_status = {found.label: number for found, number in sorted(counts.items())}
        session.printer.document({"total": total, "runtimeStatus": by_status})
        return
    rows = [[shown_status(found), Text(str(number))] for found, number in sorted(counts.items())]
    session.printer.show(table("STATUS", "COUNT", rows=[*rows, ["total", str(total)]]))
