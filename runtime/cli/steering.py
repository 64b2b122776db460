"""`perdure raise`, `terminate`, `suspend`, `resume`, `rewind`, `restart`: change what runs."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from perdure.actors.errors import PerdureError

from .arguments import InstanceId, InstanceIds, Reason
from .ending import OK, CommandError, code_of, tell
from .session import Session, json_input
from .target import Target

Step = Callable[[Target, str], Awaitable[Any]]


async def raise_event(
    session: Session,
    *,
    instance_id: InstanceId,
    event: Annotated[str, typer.Argument(help="The event's name.")],
    data: Annotated[
        str | None,
        typer.Argument(help="Its data as JSON; @file, or - for stdin.", show_default=False),
    ] = None,
) -> None:
    """Raise an external event; it is kept until the instance waits for it."""
    if not event:
        raise typer.BadParameter("an event has a name", param_hint="EVENT")
    (value,) = json_input(data, "DATA") or [None]
    await _each(session, [instance_id], "raised", lambda t, i: t.raise_event(i, event, value))


async def terminate(
    session: Session,
    *,
    instance_ids: InstanceIds,
    reason: Reason = None,
    recursive: Annotated[bool, typer.Option("--recursive", help="Its children too.")] = False,
) -> None:
    """End instances; their output becomes the reason."""
    step: Step = lambda t, i: t.terminate(i, reason, recursive=recursive)  # noqa: E731
    await _each(session, instance_ids, "terminated", step)


async def suspend(session: Session, instance_ids: InstanceIds, reason: Reason = None) -> None:
    """Let nothing reach the code of instances until they are resumed."""
    await _each(session, instance_ids, "suspended", lambda t, i: t.suspend(i, reason))


async def resume(session: Session, instance_ids: InstanceIds, reason: Reason = None) -> None:
    """Let suspended instances go on, and parked instances and entities try again."""
    await _each(session, instance_ids, "resumed", lambda t, i: t.resume(i, reason))


async def rewind(session: Session, instance_ids: InstanceIds, reason: Reason = None) -> None:
    """Let failed instances do their failed work again; what succeeded stays."""
    await _each(session, instance_ids, "rewound", lambda t, i: t.rewind(i, reason))


async def restart(
    session: Session,
    *,
    instance_ids: InstanceIds,
    same_id: Annotated[
        bool, typer.Option("--same-id", help="In the place of the one that has ended.")
    ] = False,
) -> None:
    """Start orchestrations again with the same input; prints their new ids."""
    await _each(session, instance_ids, "restarted", lambda t, i: t.restart(i, same_id=same_id))


async def _each(session: Session, instance_ids: list[str], done: str, step: Step) -> None:
    """Do it to all; one that cannot be hinders no other, but shows in the exit status."""
    code = OK
    async with session.target() as target:
        for instance_id in instance_ids:
            try:
                answer = await step(target, instance_id)
            except (PerdureError, CommandError) as error:
                if len(instance_ids) == 1:
                    raise
                tell(error)
                code = code or code_of(error)
            else:
                _say(session, instance_id, done, answer)
        absent = await target.absence()
        if absent is not None:
            session.printer.remark(absent)
    if code:
        raise typer.Exit(code)


def _say(session: Session, instance_id: str, done: str, answer: Any) -> None:
    if session.printer.as_json:
        document = {"instanceId": instance_id, "done": done}
        session.printer.document(document if answer is None else document | {"newId": answer})
    elif answer is not None:
        session.printer.text(answer)
    else:
        session.printer.text(f"{done} {instance_id}")
