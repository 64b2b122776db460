"""What clients asked and were told: the half of the evidence that the engine cannot touch.

Times are *moments*: whole numbers that only grow, as of `time.monotonic_ns` or of a simulation.
Two operations of which one ended before the other began happened in that order.
"""

import os
import time
from collections.abc import Callable, Iterable

import orjson
from attrs import Factory, asdict, define

from .history_file import HistoryFile, read_history_file
from .operation import Operation, operation_from


@define
class History:
    """The operations of all clients, in the order in which they were asked."""

    operations: list[Operation] = Factory(list[Operation])
    moment: Callable[[], int] = time.monotonic_ns
    """The clock. Monotonic time is one for all processes of a machine, until it starts anew."""
    file: HistoryFile | None = None
    """Where it is written as it grows, if anywhere."""

    @classmethod
    def on_file(cls, path: str | os.PathLike[str]) -> "History":
        """A history that is written to a new file as it grows, and so outlives a killed process.

        Every life needs a file of its own: raises `FileExistsError`. A line that finds no room
        raises `OSError` in the client's call.
        """
        return cls(file=HistoryFile.create(path))

    @classmethod
    def of_files(cls, paths: Iterable[str | os.PathLike[str]]) -> "History":
        """What several lives on one machine have left in such files.

        A request without an answer has an unknown outcome, and a last line that was cut off is
        none. Raises `ValueError` for any other line that is no history's, and when there are no
        files, as any verdict would hold then.
        """
        if isinstance(paths, (str, os.PathLike)):
            raise TypeError(f"paths are several, such as Path().glob('*.life'), not {paths!r:.80}")
        if not (lives := [*paths]):
            raise ValueError("there are no files of histories: look at the pattern and the folder")
        return cls.joined(cls(read_history_file(path)) for path in lives)

    def asked(self, operation: Operation) -> None:
        """This will be sent."""
        if self.file is not None:
            self.file.asked(operation)
        self.operations.append(operation)

    def told(self, operation: Operation) -> None:
        """This has been answered, or has failed."""
        if self.file is not None:
            self.file.told(operation)

    def close(self) -> None:
        """End the file, if there is one; a process that dies need not."""
        if self.file is not None:
            self.file.close()

    def write(self) -> bytes:
        """As JSON, one operation per line: what several processes wrote can be concatenated."""
        rows = (asdict(operation) for operation in self.operations)
        return b"".join(orjson.dumps(row) + b"\n" for row in rows)

    @classmethod
    def read(cls, text: bytes) -> "History":
        """The reverse of `write`; raises `ValueError` for what it did not write."""
        return cls(sorted((_operation(line) for line in text.splitlines()), key=_asked))

    @classmethod
    def joined(cls, histories: Iterable["History"]) -> "History":
        """What several clients recorded, whose moments are of one clock."""
        return cls(sorted((o for h in histories for o in h.operations), key=_asked))


def _operation(line: bytes) -> Operation:
    try:
        return operation_from(orjson.loads(line))
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"this is no line of a history: {line[:80]!r} ({error})") from error


def _asked(operation: Operation) -> int:
    return operation.asked
