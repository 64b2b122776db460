"""`perdure drain`: wait until code is not needed any more."""

from typing import Annotated

import anyio
import typer
from rich.console import Console
from rich.status import Status as Spinner

from perdure.actors.status import TERMINAL, Status

from .completion import complete_name
from .session import Session
from .target import Filters, Target

LOOK_SECONDS = 0.5
"""How often it counts; much less often as long as many are left, as that takes the store longer."""
MANY = 1_000
LOOK_SECONDS_MANY = 5.0

_UNFINISHED = frozenset(Status) - TERMINAL


async def drain(
    session: Session,
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            help="The orchestration; without one all of them.",
            autocompletion=complete_name,
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Only this version; '' for none.", show_default=False)
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait at most; exit status 5 then.")
    ] = None,
) -> None:
    """Wait until all instances of an orchestration, or of a version of it, have ended."""
    names = frozenset([name] if name is not None else [])
    wanted = Filters(statuses=_UNFINISHED, names=names, version=version)
    what = _told(name, version)
    async with session.target() as target:
        left = await _count(session, target, wanted)
        if left and timeout != 0:
            absent = await target.absence()
            if absent is not None:
                session.printer.remark(absent)
            left = await _wait(session, target, wanted, what, left, timeout)
    if left:
        raise TimeoutError(
            f"{_line(left, what)}: `perdure list` shows them, `perdure why` what each waits for"
        )
    if not session.printer.as_json:
        session.printer.text(f"no instance of {what} is unfinished")


async def _wait(
    session: Session, target: Target, wanted: Filters, what: str, left: int, timeout: float | None
) -> int:
    """Return how many are left, which is none or what there were at the timeout."""
    paper = Console(stderr=True, quiet=not Console(stderr=True).is_terminal)
    with Spinner(_line(left, what), console=paper) as line, anyio.move_on_after(timeout):
        while left:
            await anyio.sleep(LOOK_SECONDS if left < MANY else LOOK_SECONDS_MANY)
            left = await _count(session, target, wanted, left)
            line.update(_line(left, what))
    return left


async def _count(
    session: Session, target: Target, wanted: Filters, known: int | None = None
) -> int:
    counts = await target.count(wanted)
    left = sum(counts.values())
    if session.printer.as_json and left != known:
        shown = {status.label: number for status, number in counts.items() if number}
        session.printer.document({"unfinished": left, "runtimeStatus": shown})
    return left


def _line(left: int, what: str) -> str:
    return f"unfinished instances of {what}: {left} left"


def _told(name: str | None, version: str | None) -> str:
    told = name if name is not None else "all orchestrations"
    if version is None:
        return told
    return f"{told} version {version}" if version else f"{told} without version"
