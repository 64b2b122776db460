"""Where in a trace something stands: W3C trace context, as it travels with messages and events.

Ids of spans are not drawn but derived, from what is recorded anyway: the ids of executions and the
numbers of calls. Every replay and every recovery derives the same ones, so that a span that is
made known at the end of something is the one that its parts have named as their parent all along.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Self

from attrs import frozen

TRACESTATE_MAX, BAGGAGE_MAX = 512, 8_192
"""How many characters W3C asks everybody to pass on; more is not taken over."""
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)


@frozen
class TraceContext:
    """The protocol's `parentTraceContext`: the headers of W3C Trace Context and W3C Baggage."""

    traceparent: str
    tracestate: str | None = None
    baggage: str | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self | None:
        """The context of a request, by headers with lower-case names; None if it has no valid one.

        A tracestate or baggage that is longer than W3C demands of anybody is left out.
        """
        traceparent = headers.get("traceparent", "").strip()
        if not _TRACEPARENT.fullmatch(traceparent):
            return None
        return cls(
            f"00{traceparent[2:55]}",
            _bounded(headers.get("tracestate"), TRACESTATE_MAX),
            _bounded(headers.get("baggage"), BAGGAGE_MAX),
        )

    def headers(self) -> dict[str, str]:
        """The headers that carry it on."""
        given = {
            "traceparent": self.traceparent,
            "tracestate": self.tracestate,
            "baggage": self.baggage,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """16 hex digits: the span of which the bearer is a part."""
        return self.traceparent[36:52]

    @property
    def flags(self) -> int:
        """1 when the trace is sampled."""
        return int(self.traceparent[53:55], 16)

    def at(self, span_id: str) -> Self:
        """The same trace, with another span."""
        traceparent = f"00-{self.trace_id}-{span_id}-{self.traceparent[53:55]}"
        return type(self)(traceparent, self.tracestate, self.baggage)

    def child(self, *names: object) -> Self:
        """A part of this span, known by these names among its parts."""
        return self.at(span_of(self.span_id, *names))


def span_of(*names: object) -> str:
    """The span id of what bears these names: always the same."""
    text = ":".join(map(str, names))
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def checked_trace(given: object) -> TraceContext | None:
    """What a caller hands in; raises `TypeError` or `ValueError` unless it is a valid context."""
    if given is None:
        return None
    if not isinstance(given, TraceContext):
        raise TypeError(
            f"trace_context takes a TraceContext, as from TraceContext.from_headers, not {given!r}"
        )
    if not _TRACEPARENT.fullmatch(given.traceparent):
        raise ValueError(
            f"{given.traceparent!r} is no traceparent: '00-<32 hex digits>-<16 hex digits>-01'"
        )
    return given


def _bounded(value: str | None, most: int) -> str | None:
    return value.strip() if value is not None and 0 < len(value.strip()) <= most else None
