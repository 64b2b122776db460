"""What an activity can know of its call."""

from collections.abc import Callable, Mapping

from attrs import define

from .trace import TraceContext


def never() -> bool:
    """Say no: a function with a name, so that a context can be sent to a process."""
    return False


@define
class ActivityContext:
    """What an activity can know of its call; a parameter with this annotation receives it."""

    instance_id: str
    """The orchestration that called."""
    name: str
    task_id: int
    """The number of the call in its execution."""
    attempt: int
    """From 1; larger when a retry policy tries again."""
    idempotency_key: str
    """The same for every attempt and every repetition after a crash, different for every other
    call: pass it on to services that can tell a repetition by it."""
    tags: Mapping[str, str]
    trace_context: TraceContext | None = None
    """What it is a part of, to be passed on to services; None when nobody traces."""
    cancelled: Callable[[], bool] = never
    """Whether nobody waits any more; for activities in threads, which cannot be interrupted.

    In a process it is always False: the process is killed instead."""
