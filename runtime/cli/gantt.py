"""`perdure gantt`: an instance's history as a chart."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from .arguments import InstanceId
from .documents import timestamp
from .moments import shown_stretch
from .printing import shown_status, table
from .session import Session
from .spans import Span, spans_of

_STYLES = {"completed": "green", "failed": "red", "open": "cyan", "given up": "dim"}
_WIDTH_LEAST, _WIDTH_MOST = 20, 100
_BESIDE_THE_CHART = 60
_NO_TIME = timedelta(microseconds=1)


async def gantt(session: Session, instance_id: InstanceId) -> None:
    """Chart what an instance did and when."""
    printer = session.printer
    async with session.target() as target:
        found = await target.status(instance_id, history=True)
    spans = spans_of(found.history or [])
    if printer.as_json:
        for span in spans:
            printer.document(span_document(span))
        return
    if not spans:
        printer.remark(f"{instance_id} is {found.runtime_status.label} and has no history yet")
        return
    width = min(max(printer.paper.width - _BESIDE_THE_CHART, _WIDTH_LEAST), _WIDTH_MOST)
    chart = Chart(spans, datetime.now(UTC), width, ascii_only=printer.paper.options.ascii_only)
    first, last = printer.time(chart.first), printer.time(chart.last)
    printer.show(
        Text.assemble(
            (instance_id, "bold"),
            " is ",
            shown_status(found.runtime_status),
            f", {first} to {last}",
        ),
        table("", "", "TOOK", rows=[chart.row(span) for span in spans]),
    )


class Chart:
    """Draws spans on one scale."""

    def __init__(self, spans: list[Span], now: datetime, width: int, *, ascii_only: bool) -> None:
        self.first = min(span.start for span in spans)
        going_on = [now] if any(span.end is None for span in spans) else []
        ends = [span.end for span in spans if span.end is not None]
        self.last = max([*ends, *going_on, self.first])
        self._length = max(self.last - self.first, _NO_TIME)
        self._width = width
        self._full, self._point = ("#", "!") if ascii_only else ("█", "◆")

    def row(self, span: Span) -> list[RenderableType]:
        """Label, bar and duration."""
        attempt = f" #{span.attempt}" if (span.attempt or 1) > 1 else ""
        label = Text(f"{span.kind} {span.name}{attempt}".replace("  ", " "))
        end = max(span.end or self.last, span.start)
        begin, stop = self._column(span.start), self._column(end)
        bar = self._point if span.kind == "event" else self._full * max(stop - begin, 1)
        more = "…" if span.end is None and self._full != "#" else ""
        begin = min(begin, self._width - len(bar))
        drawn = Text(" " * begin).append(bar, _STYLES[span.outcome]).append(more)
        took = "" if span.kind == "event" else shown_stretch(end - span.start)
        mark = "" if span.outcome == "completed" else f", {span.outcome}"
        return [label, drawn, took + mark]

    def _column(self, when: datetime) -> int:
        return min(int((when - self.first) / self._length * self._width), self._width)


def span_document(span: Span) -> dict[str, Any]:
    """A span as JSON."""
    return {
        "kind": span.kind,
        "name": span.name,
        "taskId": span.task_id,
        "attempt": span.attempt,
        "start": timestamp(span.start),
        "end": timestamp(span.end),
        "outcome": span.outcome,
    }
