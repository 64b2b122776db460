"""What travels between actors: an event, and whom it is for."""

from collections.abc import MutableSequence

from attrs import define

from .history import AnyEvent, ExecutionTerminated

UNSTORED = 0


@define(eq=False)
class Message:
    """An event in a mailbox."""

    target: str
    """Id of the instance that it is for."""
    event: AnyEvent
    execution_id: str | None = None
    """The only execution that may take it, or None when any may."""
    due: int | None = None
    """When it is to be delivered, in microseconds since 1970 UTC; None for at once."""
    position: int = UNSTORED
    """Its place in the owner's mailbox (positive) or in the clients' inbox (negative).

    `UNSTORED` marks what is never on disk: the outcome of an activity, a timer that fired.
    """


def hurried(inbox: MutableSequence[Message]) -> bool:
    """Let a termination overtake what is before it; returns whether one has overtaken something.

    It needs no code, so that it is possible where everything else parks its actor.
    """
    for place, message in enumerate(inbox):
        if isinstance(message.event, ExecutionTerminated):
            del inbox[place]
            inbox.insert(0, message)
            return place > 0
    return False


def payload_size(event: AnyEvent) -> int:
    """How many characters of payload an event bears."""
    for name in ("result", "input", "output"):
        payload = getattr(event, name, None)
        if payload is not None:
            return len(payload)
    return 0
