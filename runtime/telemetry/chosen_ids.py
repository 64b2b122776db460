"""Spans whose ids are known before they are.

A span of an orchestration is made known when it is over, maybe in another process than the one in
which it began; what is part of it has named its id as parent all along. OpenTelemetry has no word
for that: ids come from the id generator of the SDK's tracers. That of our own tracer is replaced
by one that gives the id which was chosen, if one was.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from opentelemetry.trace import Tracer


class ChosenIds:
    """An id generator of the SDK's kind; in front of the one that was there."""

    def __init__(self, otherwise: Any) -> None:
        self._otherwise = otherwise
        self._chosen = threading.local()

    @contextmanager
    def choose(self, trace_id: int, span_id: int) -> Generator[None]:
        """The next span of this thread gets these; the trace id only if it has no parent."""
        self._chosen.ids = trace_id, span_id
        try:
            yield
        finally:
            self._chosen.ids = None

    def generate_trace_id(self) -> int:
        """The chosen one, or any."""
        ids: tuple[int, int] | None = getattr(self._chosen, "ids", None)
        return ids[0] if ids is not None else cast("int", self._otherwise.generate_trace_id())

    def generate_span_id(self) -> int:
        """The chosen one, or any."""
        ids: tuple[int, int] | None = getattr(self._chosen, "ids", None)
        return ids[1] if ids is not None else cast("int", self._otherwise.generate_span_id())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._otherwise, name)


def with_chosen_ids(tracer: Tracer) -> ChosenIds | None:
    """Let ids be chosen for the spans of this tracer; None when it is not the SDK's."""
    known = getattr(tracer, "id_generator", None)
    if known is None:
        return None
    if isinstance(known, ChosenIds):
        return known
    chosen = ChosenIds(known)
    tracer.id_generator = chosen  # type: ignore[attr-defined]
    return chosen
