"""A history on disk, which grows with it: what a killed process has asked and was told stays.

There is a line for each request before it is sent, and one more for its answer, which names the
first by its number. Each goes to the operating system at once: that survives the death of the
process, though not of the machine. A request without a second line has an unknown outcome.
"""

import os
from pathlib import Path
from typing import Any

import orjson
from attrs import asdict, define, field

from .operation import Operation, operation_from

TOLD_LATER = frozenset({"id", "answered", "answer", "result", "failure", "status"})
"""What a request's second line says."""


@define(eq=False)
class HistoryFile:
    """What one life of one process writes."""

    path: Path
    _descriptor: int
    _size: int = 0
    _asked: int = 0
    _open: dict[int, int] = field(factory=dict[int, int])
    """The numbers of requests that wait for their answer, by the identity of the operation."""

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> "HistoryFile":
        """Begin a file; raises `FileExistsError`, as a second life would mix its lines in."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        try:
            return cls(Path(path), os.open(path, flags, 0o644))
        except FileExistsError as error:
            text = "File exists, and each life writes one of its own: give it another name"
            raise FileExistsError(error.errno, text, str(path)) from error

    def asked(self, operation: Operation) -> None:
        """Write a line before the request is sent; raises `OSError`: then do not send it."""
        self._write({"asks": self._asked, **asdict(operation)})
        self._open[id(operation)] = self._asked
        self._asked += 1

    def told(self, operation: Operation) -> None:
        """Write what has come back; raises `OSError`: then the outcome is on record as unknown."""
        row = asdict(operation, filter=lambda attribute, _: attribute.name in TOLD_LATER)
        self._write({"told": self._open.pop(id(operation)), **row})

    def _write(self, row: dict[str, Any]) -> None:
        line = orjson.dumps(row) + b"\n"
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError:
            # Half a line amid others could not be told from damage.
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)

    def close(self) -> None:
        """Nothing is written any more."""
        os.close(self._descriptor)


def read_history_file(path: str | os.PathLike[str]) -> list[Operation]:
    """What one life has left, in the order in which it asked.

    The last line may have been cut off by the death of the process, and then says nothing. Raises
    `ValueError` for anything else that was not written like this.
    """
    *lines, _ = Path(path).read_bytes().split(b"\n")
    operations: list[Operation] = []
    for number, line in enumerate(lines, 1):
        try:
            _take(operations, orjson.loads(line))
        except (TypeError, KeyError, AttributeError, IndexError, ValueError) as error:
            text = f"line {number} of {path} is none of a history's: {line[:80]!r} ({error})"
            raise ValueError(text) from error
    return operations


def _take(operations: list[Operation], row: dict[str, Any]) -> None:
    if "told" in row:
        number: int = row.pop("told")
        operation = operations[number]
        answered = operation_from({**asdict(operation), **row})
        for name in TOLD_LATER:
            setattr(operation, name, getattr(answered, name))
    elif row.pop("asks") == len(operations):
        operations.append(operation_from(row))
    else:
        raise ValueError(f"it is not the {len(operations)}th request")
