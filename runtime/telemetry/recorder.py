"""What one runtime tells: turns as spans once they are durable, attempts, and commits."""

import hashlib
from collections.abc import Callable
from functools import partial

from opentelemetry import context as current

from perdure import TraceContext
from perdure.actors.effects import Effects, Parked
from perdure.actors.history import ExecutionStarted, TaskScheduled
from perdure.actors.messages import Message
from perdure.actors.passages import Passage, place_of_operation
from perdure.actors.trace import span_of
from perdure.runtime.clock import Clock
from perdure.runtime.engine.batch import Act
from perdure.runtime.engine.slot import Actor
from perdure.runtime.vitals import Vitals

from .contexts import outward
from .meters import Meters
from .spans import Spans
from .traced_attempt import TracedAttempt
from .vocabulary import execution, passed


class Recorder:
    """The instruments of one runtime."""

    def __init__(self, spans: Spans, meters: Meters, clock: Clock, vitals: Vitals) -> None:
        self._spans = spans
        self._meters = meters
        self._clock = clock
        self._vitals = vitals
        meters.watch(vitals)

    def close(self) -> None:
        """The runtime is left."""
        self._meters.unwatch(self._vitals)

    # Turns

    def turn_taken(self, actor: Actor, effects: Effects) -> Act | None:
        """Tell what is over, once that is durable."""
        self._meters.turns += 1
        return partial(self._tell, effects.passages) if effects.passages else None

    def actor_parked(self, actor: Actor, parked: Parked) -> Act | None:
        """Parked actors are counted, not told."""
        return None

    def _tell(self, passages: tuple[Passage, ...]) -> None:
        for passage in passages:
            self._spans.tell(
                passed(passage),
                passage.context,
                passage.parent,
                (passage.began, passage.ended),
                passage.failure,
            )

    def arrived(self, message: Message) -> None:
        """A trace begins with an orchestration that somebody has started who does not trace."""
        event = message.event
        if not isinstance(event, ExecutionStarted) or event.trace is not None:
            return
        trace_id = hashlib.blake2b(event.execution_id.encode(), digest_size=16).hexdigest()
        sampled = self._spans.samples(execution(event, message.target), int(trace_id, 16))
        own = span_of(trace_id, event.execution_id)
        event.trace = TraceContext(f"00-{trace_id}-{own}-{'01' if sampled else '00'}")

    # Work

    def attempt(self, instance_id: str, execution_id: str, event: TaskScheduled) -> TracedAttempt:
        """An attempt of an activity begins."""
        return TracedAttempt(
            self._spans, self._meters, self._clock, instance_id, execution_id, event
        )

    def operating(self, message: Message) -> None:
        """Let the operation see its span: by its ids, as it is told when it is durable."""
        trace: TraceContext | None = getattr(message.event, "trace", None)
        if trace is not None:
            current.attach(outward(place_of_operation(trace)))

    def commit(self, write: Callable[[], None], actors: int) -> None:
        """Write, and take the time."""
        began = self._clock.now()
        write()
        self._meters.commits += 1
        self._meters.commit_duration.record((self._clock.now() - began) / 1_000_000)
        self._meters.commit_actors.record(actors)
