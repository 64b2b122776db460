"""What clients asked and were told: the half of the evidence that the engine cannot touch.

Times are *moments*: whole numbers that only grow, as of `time.monotonic_ns` or of a simulation.
Two operations of which one ended before the other began happened in that order.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, Literal

import orjson
from attrs import Factory, asdict, define

Kind = Literal[
    "start", "call", "signal", "event", "terminate", "suspend", "resume", "rewind", "purge",
    "mend", "status",
]  # fmt: skip
Answer = Literal["done", "refused", "unknown"]


@define
class Operation:
    """One request of one client."""

    client: str
    kind: Kind
    target: str
    """The instance or entity."""
    name: str
    """Of the orchestration, the operation or the event."""
    input: str | None
    """JSON."""
    id: str
    """The request id of an operation of an entity, the execution id of a start; else empty."""
    asked: int
    """The moment before it was sent."""
    answered: int | None = None
    """The moment after the answer came; None when none did."""
    answer: Answer = "unknown"
    """`unknown` while there is none, and after a failure that leaves open whether it happened."""
    result: str | None = None
    """What was returned: JSON. Of `status` the row's output."""
    failure: tuple[str, str] | None = None
    """The type and message of what an operation of an entity raised, or of the refusal."""
    status: str | None = None
    """Of `status` the status that was told."""
    outside: bool = False
    """Whether it went through the store's inbox, from another process than the runtime's."""
    due: int | None = None
    """When it was to be delivered, if not at once."""

    def __str__(self) -> str:
        text = f"{self.client}: {self.kind} {self.target} {self.name} {self.input or ''}".rstrip()
        said = self.result if self.failure is None else ": ".join(self.failure)
        return f"{text} -> {self.answer} {said or ''}".rstrip()


@define
class History:
    """The operations of all clients, in the order in which they were asked."""

    operations: list[Operation] = Factory(list[Operation])
    moment: Callable[[], int] = time.monotonic_ns

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
        row: dict[str, Any] = orjson.loads(line)
        failure = row.pop("failure")
        return Operation(**row, failure=tuple(failure) if failure else None)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"this is no line of a history: {line[:80]!r} ({error})") from error


def _asked(operation: Operation) -> int:
    return operation.asked
