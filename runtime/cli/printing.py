"""What a command prints: documents as lines of JSON, or tables and texts for people."""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Any

from attrs import field, frozen
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from perdure.actors.status import Status

STYLES = {
    Status.RUNNING: "cyan",
    Status.COMPLETED: "green",
    Status.FAILED: "bold red",
    Status.TERMINATED: "red",
    Status.CANCELED: "red",
    Status.PENDING: "yellow",
    Status.SUSPENDED: "magenta",
}
_WIDTH_IN_FILES = 10_000
"""Nothing is cut or wrapped where no terminal says how wide it is."""


class _Paper(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to `ending.telling`."""
        raise BrokenPipeError


def _paper() -> Console:
    width = None if sys.stdout.isatty() else _WIDTH_IN_FILES
    return _Paper(width=width, highlight=False, soft_wrap=False)


@frozen
class Printer:
    """Prints in the way that was asked for."""

    as_json: bool
    zone: tzinfo | None
    """None for the local one."""
    paper: Console = field(factory=_paper, repr=False)

    def document(self, document: Any) -> None:
        """One line of JSON."""
        sys.stdout.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
        # Whoever reads along wants it now.
        sys.stdout.flush()

    def text(self, text: str) -> None:
        """A line as it is."""
        sys.stdout.write(f"{text}\n")

    def show(self, *parts: RenderableType) -> None:
        """Something for people."""
        for part in parts:
            self.paper.print(part)

    def remark(self, text: str) -> None:
        """A line beside the output, on stderr."""
        sys.stderr.write(f"perdure: {text}\n")
        sys.stderr.flush()

    def time(self, when: datetime | None) -> str:
        """A time to the second, in the zone that was asked for."""
        if when is None:
            return ""
        if self.zone is UTC:
            return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
        return f"{when.astimezone(self.zone):%Y-%m-%d %H:%M:%S}"


def table(*columns: str, rows: Iterable[Iterable[RenderableType]]) -> Table:
    """Rows below a heading; what is too wide is folded, so that nothing is lost."""
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return drawn


def properties(pairs: Iterable[tuple[str, RenderableType]]) -> Table:
    """Names and values in two columns; empty values are left out."""
    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="bold")
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        if value != "":
            drawn.add_row(name, Text(value) if isinstance(value, str) else value)
    return drawn


def payload(value: Any) -> str:
    """A payload as JSON; None, which is no payload, is empty."""
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def shown_status(status: Status, *, parked: bool = False) -> Text:
    """A status in its colour."""
    shown = Text(status.label, STYLES.get(status, ""))
    return shown.append(" (parked)", "bold yellow") if parked else shown
