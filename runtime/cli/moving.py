"""`perdure move`: a whole hub from one store into another."""

from contextlib import closing
from typing import Annotated

import typer

from perdure.persistence.moving import Moved
from perdure.persistence.moving import move as move_hub
from perdure.persistence.opening import open_unfinished

from .ending import USAGE, CommandError
from .progress import progress
from .session import Session
from .stores import Place, existing, opened, place_of, url_of

From = Annotated[
    str,
    typer.Argument(metavar="FROM", help="A file, or a hub in PostgreSQL.", show_default=False),
]
To = Annotated[
    str,
    typer.Argument(
        metavar="TO", help="A new file, or a new hub in PostgreSQL.", show_default=False
    ),
]


def move(session: Session, source: From, target: To) -> None:
    """Copy a whole hub that nobody runs into another store, and compare; killed, it goes on."""
    if session.shared.url is not None or session.shared.store is not None:
        raise CommandError("move takes its two places as arguments: `perdure move FROM TO`", USAGE)
    begin, end = existing(place_of(source)), place_of(target)
    with closing(opened(begin)) as of:
        _check_apart(begin, end)
        of.own()
        with closing(open_unfinished(url_of(end))) as into:
            if of.location == into.location:
                raise CommandError(f"{begin} and {end} are one store: name a new one", USAGE)
            with progress("moving") as advance:
                moved = move_hub(of, into, advance)
    _tell(session, begin, end, moved)


def _check_apart(begin: Place, end: Place) -> None:
    """Before anything is made."""
    if url_of(begin) == url_of(end):
        raise CommandError(f"{begin} and {end} are one store: name a new one", USAGE)


def _tell(session: Session, begin: Place, end: Place, moved: Moved) -> None:
    if session.printer.as_json:
        session.printer.document(
            {
                "from": str(begin),
                "to": str(end),
                "orchestrations": moved.orchestrations,
                "entities": moved.entities,
                "turns": moved.turns,
                "timers": moved.timers,
                "messages": moved.messages,
                "resumed": moved.resumed,
            }
        )
        return
    before = f", {moved.resumed} of them in an earlier run" if moved.resumed else ""
    session.printer.text(
        f"{moved.orchestrations} orchestrations and {moved.entities} entities moved to {end}"
        f"{before}; {moved.turns} turns, {moved.timers} timers and {moved.messages} messages "
        "in all, found equal"
    )
    session.printer.remark(f"{begin} is as it was: run one of the two and never both")
