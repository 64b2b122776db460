"""One request of one client: what it asked, and what it was told."""

from typing import Any, Literal

from attrs import define

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


def operation_from(row: dict[str, Any]) -> Operation:
    """The reverse of `attrs.asdict`, by way of JSON; raises what a missing or foreign key does."""
    failure = row.pop("failure")
    return Operation(**row, failure=tuple(failure) if failure else None)
