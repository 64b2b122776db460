"""What the lint found, where, and what to do about it."""

from pathlib import Path

from attrs import field, frozen


@frozen(order=True)
class Finding:
    """One place in the code of an orchestrator that would not survive a replay.

    Lines and columns count from 1; the end is exclusive, as editors have it.
    """

    path: Path
    line: int
    column: int
    code: str
    end_line: int = field(order=False)
    end_column: int = field(order=False)
    message: str = field(order=False)
    why: str = field(order=False)
    """What goes wrong with it."""
    fix: str = field(order=False)
    """What to write instead."""
    way: tuple[str, ...] = field(order=False)
    """The function that it is in, after those through which its orchestrator comes there."""
    source: str = field(order=False, repr=False)
    """The line of code."""
