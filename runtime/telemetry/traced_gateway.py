"""The way in for clients who trace: what they ask for is part of what is current at the caller."""

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from opentelemetry import context as current
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span, set_span_in_context

from perdure import FailureDetails, Status, TraceContext
from perdure.actors.failure import details_of
from perdure.actors.history import (
    EntityOperationCalled,
    EntityOperationFailed,
    EntityOperationSignaled,
    EventRaised,
    ExecutionStarted,
)
from perdure.actors.messages import Message
from perdure.persistence.records import InstanceRow, Purged
from perdure.persistence.store import Store
from perdure.runtime.client.gateway import Check, Gateway, Until
from perdure.runtime.engine.bookkeeper import Answer

from .contexts import inward, outward
from .spans import Spans
from .vocabulary import Description, event_by_client, operation_asked, start_by_client

T = TypeVar("T")


class TracedGateway:
    """A gateway in front of another one."""

    def __init__(self, inner: Gateway, spans: Spans) -> None:
        self.app = inner.app
        self.clock = inner.clock
        self.new_id = inner.new_id
        self._inner = inner
        self._spans = spans

    async def start(
        self,
        instance_id: str,
        event: ExecutionStarted,
        replaceable: Collection[Status],
        *,
        fresh: bool,
    ) -> None:
        """Begin an instance; raises `InstanceAlreadyExistsError`."""
        with self._asking(start_by_client(instance_id, event), _parent_of(event)) as asking:
            event.trace = asking.trace or event.trace
            await self._inner.start(instance_id, event, replaceable, fresh=fresh)

    async def send(self, message: Message, check: Check | None) -> None:
        """Put a message into a mailbox, if the target's status passes the check."""
        match message.event:
            case EntityOperationSignaled() as event:
                with self._asking(operation_asked(event, {}), current.get_current()) as asking:
                    event.trace = asking.trace
                    await self._inner.send(message, check)
            case EventRaised() as event:
                description = event_by_client(message.target, event)
                with self._asking(description, current.get_current()):
                    await self._inner.send(message, check)
            case _:
                await self._inner.send(message, check)

    async def call(self, message: Message, event: EntityOperationCalled) -> Answer:
        """Send an operation and wait for its outcome."""
        with self._asking(operation_asked(event, {}), current.get_current()) as asking:
            event.trace = asking.trace
            answer = await self._inner.call(message, event)
            if isinstance(answer, EntityOperationFailed):
                asking.failure = answer.failure
        return answer

    @contextmanager
    def _asking(self, description: Description, parent: Context) -> "Generator[_Asking]":
        span = self._spans.begin(description, parent, self.clock.now())
        asking = _Asking(inward(set_span_in_context(span, parent)))
        try:
            yield asking
        except Exception as error:
            asking.failure = details_of(error)
            raise
        finally:
            self._spans.end(span, self.clock.now(), asking.failure)

    # What leaves no span

    async def read(self, read: Callable[[Store], T]) -> T:
        """Read from the store."""
        return await self._inner.read(read)

    async def watch(self, instance_id: str, until: Until) -> InstanceRow:
        """Wait for an instance to get somewhere; raises `InstanceNotFoundError`."""
        return await self._inner.watch(instance_id, until)

    async def follow(self, instance_id: str, look: Callable[[Store], T | None]) -> T:
        """Look now, and whenever the store has something new of an instance."""
        return await self._inner.follow(instance_id, look)

    async def foresee(self, instance_id: str) -> Status | None:
        """The status of an instance, or None; waits for its end if that is decided."""
        return await self._inner.foresee(instance_id)

    async def purge(self, ids: Sequence[str]) -> Purged:
        """Delete some of these, if they are terminal."""
        return await self._inner.purge(ids)

    async def mend(self, instance_id: str) -> None:
        """Let a parked actor try again."""
        await self._inner.mend(instance_id)


class _Asking:
    """What a client waits for."""

    def __init__(self, trace: TraceContext | None) -> None:
        self.trace = trace
        self.failure: FailureDetails | None = None


def _parent_of(event: ExecutionStarted) -> Context:
    """What is current, unless the caller has named another trace as the cause."""
    given, here = event.trace, current.get_current()
    if given is None:
        return here
    trace_id = get_current_span(here).get_span_context().trace_id
    return here if trace_id == int(given.trace_id, 16) else outward(given)
