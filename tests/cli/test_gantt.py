"""`perdure gantt`: spans from histories, and their chart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from perdure import Status
from perdure.actors.failure import FailureDetails
from perdure.actors.history import (
    AnyEvent,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationFailed,
    EventRaised,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from perdure.actors.moments import moment
from perdure.cli.gantt import Chart
from perdure.cli.spans import Span, spans_of
from perdure.persistence.contract.rows import Owner, instance
from perdure.persistence.sqlite import SQLiteStore
from perdure.runtime.client.views import HistoryEvent

SPAN_KEYS = ["kind", "name", "taskId", "attempt", "start", "end", "outcome"]
NO_LUCK = FailureDetails("E", "no luck")


def spans(*events: AnyEvent) -> list[Any]:
    """Kind, name, seconds of start and end, and outcome of each span."""
    history = [HistoryEvent(type(event).__name__, moment(event.at), event) for event in events]
    history.insert(0, HistoryEvent("OrchestratorStarted", moment(0), None))
    return [
        (span.kind, span.name, seconds(span.start), seconds(span.end), span.outcome)
        for span in spans_of(history)
    ]


def seconds(when: datetime | None) -> int | None:
    return None if when is None else (when - moment(0)).microseconds


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([TaskScheduled(1, 1, "a"), TaskCompleted(3, 1)], ("activity", "a", 1, 3, "completed")),
        ([TaskScheduled(1, 1, "a"), TaskFailed(3, 1, NO_LUCK)], ("activity", "a", 1, 3, "failed")),
        ([TaskScheduled(1, 1, "a", due=5)], ("activity", "a", 5, None, "open")),
        ([TimerCreated(1, 2, 9), TimerFired(9, 2, 9)], ("timer", "", 1, 9, "completed")),
        (
            [
                SubOrchestrationInstanceCreated(1, 1, "c", "child"),
                SubOrchestrationInstanceCompleted(2, 1),
            ],
            ("sub-orchestration", "child", 1, 2, "completed"),
        ),
        (
            [
                EntityOperationCalled(1, 1, "r", "add", "@c@k"),
                EntityOperationFailed(2, "r", NO_LUCK),
            ],
            ("entity call", "@c@k.add", 1, 2, "failed"),
        ),
        (
            [EntityLockRequested(1, 1, "s", ["@c@k", "@c@l"]), EntityLockGranted(4, "s")],
            ("entity lock", "@c@k, @c@l", 1, 4, "completed"),
        ),
        (
            [ExecutionSuspended(1, "lunch"), ExecutionResumed(2)],
            ("suspension", "lunch", 1, 2, "completed"),
        ),
        ([EventRaised(7, "go")], ("event", "go", 7, 7, "completed")),
        ([TaskCompleted(1, 9), EventRaised(2, "e")], ("event", "e", 2, 2, "completed")),
    ],
)
def test_events_make_spans(events: list[AnyEvent], expected: tuple[Any, ...]) -> None:
    assert spans(*events) == [expected]


def test_attempts_are_spans_of_their_own() -> None:
    found = spans(
        TaskScheduled(1, 1, "a"),
        TaskFailed(2, 1, NO_LUCK),
        TaskScheduled(2, 1, "a", attempt=2, due=6),
        TaskCompleted(7, 1, attempt=2),
    )
    assert [span[2:] for span in found] == [(1, 2, "failed"), (6, 7, "completed")]


def test_the_end_closes_what_is_open() -> None:
    found = spans(
        ExecutionStarted(1, "o", "e"),
        TaskScheduled(2, 1, "a"),
        TaskScheduled(2, 2, "later", due=50),
        ExecutionCompleted(9, Status.TERMINATED),
    )
    assert [span[2:] for span in found] == [
        (1, 9, "failed"),
        (2, 9, "given up"),
        (50, 50, "given up"),
    ]


def test_bars_lie_where_their_time_is() -> None:
    whole = Span("orchestration", "o", moment(0), moment(100), "completed")
    half = Span("activity", "a", moment(50), moment(100), "failed", attempt=2)
    event = Span("event", "go", moment(100), moment(100), "completed")
    going_on = Span("timer", "", moment(99))
    chart = Chart([whole, half, event, going_on], moment(100), 10, ascii_only=True)
    rows = [[str(cell) for cell in chart.row(s)] for s in (whole, half, event, going_on)]
    assert rows == [
        ["orchestration o", "##########", "0.1 ms"],
        ["activity a #2", "     #####", "0.05 ms, failed"],
        ["event go", "         !", ""],
        ["timer ", "         #", "0.001 ms, open"],
    ]


def test_a_point_in_time_has_a_chart() -> None:
    now = datetime.now(UTC)
    span = Span("orchestration", "o", now + timedelta(hours=1))
    chart = Chart([span], now, 10, ascii_only=False)
    assert str(chart.row(span)[1]) == "█…"


def test_the_chart_of_a_real_history(perdure: Any, hub: Any) -> None:
    perdure.run("start", "fails", "--id", "x", "--wait")
    shown = perdure("gantt", "x")
    assert shown.startswith("x is Failed, ")
    assert "activity break_down #2" in shown
    found = perdure.json("gantt", "x")
    assert [*found[0]] == SPAN_KEYS
    assert [(span["kind"], span["attempt"], span["outcome"]) for span in found] == [
        ("orchestration", None, "failed"),
        ("activity", 1, "failed"),
        ("activity", 2, "failed"),
    ]


def test_what_has_not_begun_has_no_chart(perdure: Any, path: Path) -> None:
    owner = Owner(SQLiteStore(path))
    owner.keep(instance("x", status=Status.PENDING))
    owner.store.close()
    assert perdure.run("gantt", "x") == (
        0,
        "",
        "perdure: x is Pending and has no history yet\n",
    )
    assert perdure.json("gantt", "x") == []
