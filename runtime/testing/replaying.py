"""The deploy check for a user's own tests: whether code still follows a recorded history."""

from collections.abc import Sequence
from typing import Any

import orjson
from attrs import define

from perdure.actors.app import App
from perdure.actors.comparison import described
from perdure.actors.context import OrchestrationContext
from perdure.actors.history import AnyEvent, ExecutionRewound, ExecutionStarted, Turn
from perdure.actors.moments import micros
from perdure.actors.outcomes import Outcome
from perdure.actors.replay import Execution, Identity
from perdure.actors.wire import event_from
from perdure.runtime.client.views import HistoryEvent
from perdure.runtime.engine.seclusion import refuse_blocking_calls, secluded


@define
class Replayed:
    """How a replay ended."""

    outcome: Outcome | None
    """What the code did at its end; None while it waits."""
    open_calls: int
    """How many calls have no outcome in the history."""
    new_calls: list[str]
    """Calls that the code makes and the history does not have: new work, were it to go on."""


def replay(
    app: App, history: str | bytes | Sequence[HistoryEvent], *, instance_id: str | None = None
) -> Replayed:
    """Run the code of `app` against a recorded history, without any effect.

    `history` is what `client.get_history` returns, or `client.export_history` as JSON, which
    knows the instance's id; otherwise give `instance_id` where the code makes use of it. Raises
    `ValueError` for what is no history, `NonDeterminismError` with recorded against actual and the
    source line of the call, and `DefinitionNotFoundError` when the App has no code for it.
    """
    turns = _checked_turns(history)
    started = _started(turns)
    definition = app.recorded_orchestration(started.name, started.version)
    identity = Identity(
        instance_id or _exported_id(history) or "replayed",
        _execution_id(turns),
        started.name,
        started.version,
        started.parent,
        started.tags,
    )
    refuse_blocking_calls()
    with secluded():
        execution = Execution(app, definition, identity, OrchestrationContext)
        try:
            execution.replay(turns)
            new = [described(event) for event in execution.take_asked()]
            return Replayed(execution.outcome, len(execution.open), new)
        finally:
            execution.close()


def _checked_turns(history: str | bytes | Sequence[HistoryEvent]) -> list[Turn]:
    try:
        return _turns(history)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(
            "this is no history: give what client.get_history or client.export_history returned "
            f"({type(error).__name__}: {error})"
        ) from error


def _exported_id(history: str | bytes | Sequence[HistoryEvent]) -> str | None:
    if not isinstance(history, (str, bytes)):
        return None
    items: list[dict[str, Any]] = orjson.loads(history)
    return items[0].get("instance_id") if items else None


def _execution_id(turns: list[Turn]) -> str:
    """The newest: a rewound execution replays its history under its own id."""
    began = [
        event.execution_id
        for turn in turns
        for event in turn.events
        if isinstance(event, (ExecutionStarted, ExecutionRewound))
    ]
    return began[-1]


def _turns(history: str | bytes | Sequence[HistoryEvent]) -> list[Turn]:
    turns: list[Turn] = []
    for name, at, event in _items(history):
        if name == "OrchestratorStarted":
            turns.append(Turn(at, []))
        elif event is not None and turns:
            turns[-1].events.append(event)
    return turns


def _items(history: str | bytes | Sequence[HistoryEvent]) -> list[tuple[str, int, AnyEvent | None]]:
    if isinstance(history, (str, bytes)):
        return [
            (item["type"], item["at"], event_from(item["event"]) if item["event"] else None)
            for item in orjson.loads(history)
        ]
    return [(item.event_type, micros(item.timestamp), item.event) for item in history]


def _started(turns: list[Turn]) -> ExecutionStarted:
    for turn in turns:
        for event in turn.events:
            if isinstance(event, ExecutionStarted):
                return event
    raise ValueError("the history has no ExecutionStarted: it is empty, or not an orchestration's")
