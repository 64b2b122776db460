"""How far long work is, on a terminal's stderr; elsewhere nothing."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

Advance = Callable[[float, float | None], object]
"""Called with how far it is and how far it goes, None when nobody knows."""


@contextmanager
def progress(what: str) -> Generator[Advance]:
    """A bar for as long as the block takes."""
    paper = Console(stderr=True)
    columns = TextColumn(what), BarColumn(), TaskProgressColumn()
    with Progress(*columns, console=paper, transient=True, disable=not paper.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
