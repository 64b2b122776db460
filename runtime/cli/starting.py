"""`perdure start`."""

from datetime import datetime
from typing import Annotated

import anyio
import typer

from perdure.actors.status import Status
from perdure.runtime.client.views import InstanceStatus

from .arguments import tags
from .completion import complete_name
from .documents import instance_document
from .ending import FAILED, CommandError
from .printing import payload
from .session import Session, json_input
from .target import Order, Target


async def start(
    session: Session,
    *,
    name: Annotated[
        str, typer.Argument(help="The orchestration's name.", autocompletion=complete_name)
    ],
    input: Annotated[  # noqa: A002 - what users call it
        str | None,
        typer.Argument(help="Its input as JSON; @file, or - for stdin.", show_default=False),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end, print the output.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait at most; exit status 5 then.")
    ] = None,
    id: Annotated[  # noqa: A002 - what users call it
        str | None, typer.Option("--id", help="Its id instead of a new one.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="The version of the code.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="A tag, key=value; may be repeated.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="Not before then: a time, or 10m for in 10 minutes.")
    ] = None,
) -> None:
    """Start an orchestration; prints its id, with --wait its output."""
    given = json_input(input, "INPUT")
    due: datetime | None = session.moment(at, "--at", ahead=True)
    order = Order(name, bool(given), given[0] if given else None, id, version, tags(tag), due)
    async with session.target() as target:
        instance_id = await target.start(order)
        absent = await target.absence()
        if absent is not None:
            session.printer.remark(absent)
        if wait:
            ended = await _end(target, instance_id, timeout)
            _report(session, ended)
        elif session.printer.as_json:
            session.printer.document({"instanceId": instance_id})
        else:
            session.printer.text(instance_id)


async def _end(target: Target, instance_id: str, timeout: float | None) -> InstanceStatus:
    with anyio.move_on_after(timeout):
        async for _ in target.changes(instance_id):
            status = await target.status(instance_id)
            if status.is_completed or status.parked is not None:
                return status
    status = await target.status(instance_id)
    if status.is_running:
        raise TimeoutError(
            f"instance {instance_id!r} is {status.runtime_status.label} after {timeout} s and "
            f"goes on: `perdure why {instance_id}` says what it waits for"
        )
    return status


def _report(session: Session, status: InstanceStatus) -> None:
    if session.printer.as_json:
        session.printer.document(instance_document(status))
    elif status.runtime_status is Status.COMPLETED:
        # `payload` shows None as nothing; whoever reads an output as JSON needs the null.
        session.printer.text(payload(status.output) or "null")
    if status.parked is not None:
        raise CommandError(
            f"instance {status.instance_id!r} is parked: {status.parked.message}; "
            f"`perdure why {status.instance_id}` says more",
            FAILED,
        )
    if status.runtime_status is not Status.COMPLETED:
        why = status.failure_details or payload(status.output) or "no reason was given"
        label = status.runtime_status.label.lower()
        raise CommandError(f"instance {status.instance_id!r} {label}: {why}", FAILED)
