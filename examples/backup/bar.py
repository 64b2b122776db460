"""A line that shows how far the backup is; without a terminal, one line per second."""

import sys
import time
from typing import TextIO

from backup import Progress, Totals

WIDTH = 30


class Bar:
    """Writes to a terminal in place, and to anything else line by line."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._live = out.isatty()
        self._next = 0.0
        self._drawn = False

    def show(self, progress: Progress, totals: Totals) -> None:
        """Show this unless the last time was a moment ago."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.1 if self._live else 1.0)
        self._draw(_line(progress, totals))

    def leave(self, progress: Progress, totals: Totals) -> None:
        """Show this and let it stand."""
        self._draw(_line(progress, totals))
        self.say()

    def say(self, text: str = "") -> None:
        """Write a line of its own below what is shown."""
        if self._drawn and self._live:
            self._out.write("\n")
        self._drawn = False
        self._next = 0.0
        if text:
            self._out.write(f"{text}\n")
        self._out.flush()

    def _draw(self, line: str) -> None:
        self._out.write(f"\r\x1b[K{line}" if self._live else f"{line}\n")
        self._out.flush()
        self._drawn = True


def share(progress: Progress, totals: Totals) -> float:
    """How much of the files is copied, from 0 to 1."""
    return totals.files / progress.files if progress.files else 0.0


def _line(progress: Progress, totals: Totals) -> str:
    part = share(progress, totals)
    filled = round(WIDTH * part)
    return (
        f"  [{'#' * filled}{'.' * (WIDTH - filled)}] {part:4.0%}  {progress.phase:<9} "
        f"{totals.files:,}/{counted(progress.files, 'file')}, {megabytes(totals.bytes)}, "
        f"{megabytes(totals.saved_bytes)} saved"
    )


def counted(number: int, what: str) -> str:
    """A number of things for people."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def megabytes(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 1e6:z,.1f} MB"
