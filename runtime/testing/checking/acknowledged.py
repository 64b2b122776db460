"""What was acknowledged has happened, once, and what was told stays true."""

from collections import Counter
from collections.abc import Iterator

from perdure.actors.history import (
    AnyEvent,
    EventRaised,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
)
from perdure.actors.status import Status
from perdure.actors.wire import read_event

from .evidence import Evidence, Verdict, Violation
from .operation import Operation

DURABLE = "what was acknowledged is durable"
ONCE = "what was sent once arrives once"
FINAL = "an end that was told stays"

Key = tuple[str, str, str, str | None]
"""Of a message: its target, kind, name and input."""


def check_acknowledged(evidence: Evidence, verdict: Verdict) -> None:
    """Hold the answers that clients got against what is durable."""
    purged = {o.target for o in evidence.history.operations if o.kind == "purge"}
    verdict.violations += _starts(evidence, purged, verdict)
    verdict.violations += _told_ends(evidence, purged, verdict)
    if evidence.ledger.steps is not None:
        verdict.violations += _messages(evidence, purged)


def _starts(evidence: Evidence, purged: set[str], verdict: Verdict) -> Iterator[Violation]:
    known = set(evidence.ledger.executions)
    for step in evidence.ledger.steps or ():
        known |= {
            (step.actor, e.execution_id) for e in step.taken if isinstance(e, ExecutionStarted)
        }
    there = {instance_id for instance_id, _ in known}
    for told in evidence.history.operations:
        if told.kind != "start" or told.answer != "done" or told.target in purged:
            continue
        verdict.judged += 1
        # A store has only the newest execution: this one may have continued as new, or given way.
        replaced = not evidence.ledger.complete and told.target in there
        if not replaced and (told.target, told.id) not in known:
            yield Violation(DURABLE, told.target, f"{told}, and the store never had it")


def _told_ends(evidence: Evidence, purged: set[str], verdict: Verdict) -> Iterator[Violation]:
    for told in evidence.history.operations:
        if told.kind != "status" or told.status is None or told.target in purged:
            continue
        if not Status[told.status].is_terminal:
            continue
        verdict.judged += 1
        whole = evidence.wholes.get(told.target)
        row = whole.instance if whole is not None else None
        if row is None:
            yield Violation(DURABLE, told.target, f"{told}, and the store does not have it")
        elif row.execution_id == told.id and (row.status.name, row.output) != (
            told.status, told.result
        ):  # fmt: skip
            now = f"the store says {row.status.name} {row.output or ''}"
            yield Violation(FINAL, told.target, f"{told} {told.status}, and now {now}")


# Messages


def _messages(evidence: Evidence, purged: set[str]) -> Iterator[Violation]:
    """Everything sent to orchestrations was taken as often as it was sent, or still waits."""
    arrived = _arrived(evidence)
    certain, possible = _sent(evidence, purged)
    for key in sorted({*arrived, *certain}, key=str):
        target, kind, name, payload = key
        what = f"{kind} {name} {payload or ''}".strip()
        if arrived[key] < certain[key]:
            text = f"{what} was sent {certain[key]} times and arrived {arrived[key]} times"
            yield Violation(DURABLE, target, text)
        # Other messages come from the engine too, as to what is replaced.
        if kind == "event" and arrived[key] > possible[key]:
            text = f"{what} arrived {arrived[key]} times and was sent {possible[key]} times"
            yield Violation(ONCE, target, text)


def _arrived(evidence: Evidence) -> Counter[Key]:
    arrived = [
        key
        for step in evidence.ledger.steps or ()
        for event in step.taken
        if (key := _key(step.actor, event)) is not None
    ]
    for whole in evidence.wholes.values():
        waiting = (read_event(message.body) for message in whole.messages)
        arrived += [key for event in waiting if (key := _key(whole.id, event)) is not None]
    return Counter(arrived)


def _sent(evidence: Evidence, purged: set[str]) -> tuple[Counter[Key], Counter[Key]]:
    """How often each message was sent for certain, and how often at most."""
    certain: Counter[Key] = Counter()
    possible: Counter[Key] = Counter()
    there: set[str] = set()
    for step in evidence.ledger.steps or ():
        there.add(step.actor)
        for message in step.sent:
            if (key := _key(message.target, message.event)) is not None:
                possible[key] += 1
                # What is sent to nobody is lost, and may be.
                certain[key] += message.target in there - purged
    for told in evidence.history.operations:
        if (key := _asked_key(told)) is not None and told.answer != "refused":
            possible[key] += 1
            certain[key] += told.answer == "done" and told.target not in purged
    return certain, possible


def _asked_key(told: Operation) -> Key | None:
    match told.kind:
        case "event":
            return told.target, "event", told.name, told.input
        case "terminate" | "suspend" | "rewind":
            return told.target, told.kind, "", None
        case _:
            return None


def _key(target: str, event: AnyEvent) -> Key | None:
    match event:
        case EventRaised():
            return target, "event", event.name, event.input
        case ExecutionTerminated():
            return target, "terminate", "", None
        case ExecutionSuspended():
            return target, "suspend", "", None
        case ExecutionRewound():
            return target, "rewind", "", None
        case _:
            return None
