"""`perdure entity` and `perdure signal`."""

from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from perdure.runtime.client.views import EntityState

from .arguments import After, All, Entity, Limit, entity_id
from .documents import UNKNOWN_TIME, entity_document
from .printing import Printer, payload, properties, table
from .session import Session, json_input
from .target import PAGE_SIZE


async def signal(
    session: Session,
    *,
    entity: Entity,
    operation: Annotated[str, typer.Argument(help="The operation.")],
    input: Annotated[  # noqa: A002 - what users call it
        str | None,
        typer.Argument(help="Its input as JSON; @file, or - for stdin.", show_default=False),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="Not before then: a time, or 10m for in 10 minutes.")
    ] = None,
) -> None:
    """Send an operation to an entity, without waiting for its result."""
    target_id = entity_id(entity)
    given = json_input(input, "INPUT")
    due = session.moment(at, "--at", ahead=True)
    async with session.target() as target:
        await target.signal(target_id, operation, given, due)
        absent = await target.absence()
    if session.printer.as_json:
        session.printer.document({"entityId": {"name": target_id.name, "key": target_id.key}})
    else:
        session.printer.text(f"signaled {target_id}")
    if absent is not None:
        session.printer.remark(absent)


async def read(session: Session, entity: Entity) -> None:
    """Show an entity: its state, who holds its lock, what waits."""
    async with session.target() as target:
        found = await target.entity(entity_id(entity))
    if session.printer.as_json:
        session.printer.document(entity_document(found))
        return
    backlog = found.backlog_queue_size
    pairs: list[tuple[str, RenderableType]] = [
        ("entity", str(found.id)),
        ("state", payload(found.state) if found.exists else Text("none", "dim")),
        ("updated", _time(session.printer, found)),
        ("locked by", found.locked_by or ""),
        ("messages waiting", str(backlog) if backlog else ""),
        ("parked", found.parked.message if found.parked is not None else ""),
    ]
    session.printer.show(properties(pairs))


async def listing(
    session: Session,
    *,
    name: Annotated[str, typer.Option(help="Only of this name.")] = "",
    prefix: Annotated[str, typer.Option(help="Only those whose key begins like this.")] = "",
    limit: Limit = PAGE_SIZE,
    after: After = None,
    every: All = False,
) -> None:
    """List entities that exist, by name and key."""
    printer = session.printer
    async with session.target() as target:
        token, begun = after, False
        while not begun or (every and token is not None):
            begun = True
            page = await target.entities(name, prefix, states=True, size=limit, token=token)
            _show(printer, page.entities)
            token = page.continuation_token
    if token is not None:
        printer.remark(f"there are more: --all, or --after {token}")


def _show(printer: Printer, entities: list[EntityState]) -> None:
    if printer.as_json:
        for found in entities:
            printer.document(entity_document(found))
    elif entities:
        rows = [
            [str(found.id), payload(found.state), found.locked_by or "", _time(printer, found)]
            for found in entities
        ]
        printer.show(table("ENTITY", "STATE", "LOCKED BY", "UPDATED", rows=rows))


async def clean(session: Session) -> None:
    """Release locks whose holder has ended or is gone."""
    async with session.target() as target:
        released = await target.clean_entities()
    if session.printer.as_json:
        session.printer.document({"orphanedLocksReleased": released})
    else:
        session.printer.text(f"{released} locks released")


def _time(printer: Printer, found: EntityState) -> str:
    return (
        "" if found.last_modified_time == UNKNOWN_TIME else printer.time(found.last_modified_time)
    )
