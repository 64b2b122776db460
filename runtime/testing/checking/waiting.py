"""Nothing waits for ever without a reason that is stated and true.

At rest nothing is left that could happen by itself. Whoever waits then has to wait for somebody
outside: for an event, a resumption, an activity that really runs and does not end.
"""

from collections.abc import Iterator

from perdure.actors.errors import PerdureError
from perdure.actors.identity import is_entity
from perdure.actors.moments import moment
from perdure.persistence.records import InstanceRow, Whole
from perdure.runtime.client.views import Waiting, parked_from
from perdure.runtime.client.waiting import waiting_for
from perdure.runtime.engine.restore import turn

from .evidence import Evidence, Verdict, Violation

RULE = "nothing waits for ever without a true reason"
FOR_EVER = 2**62
FAR = 2050
"""Nobody waits for what is due in that year."""


def check_waiting(evidence: Evidence, verdict: Verdict) -> None:
    """Ask every unfinished instance what it waits for, and see whether that is so."""
    if not evidence.at_rest:
        return
    for whole in evidence.wholes.values():
        if whole.instance is not None and not whole.instance.status.is_terminal:
            verdict.violations += _unfinished(evidence, whole, whole.instance)
        elif whole.messages and whole.entity is not None and whole.entity.locked_by is None:
            verdict.violations += _left_lying(whole)


def _left_lying(whole: Whole) -> Iterator[Violation]:
    due = [message for message in whole.messages if not _is_far(message.due)]
    if due and whole.entity is not None and whole.entity.parked is None:
        yield Violation(RULE, whole.id, f"{len(due)} messages lie in its mailbox")


def _is_far(due: int | None) -> bool:
    return due is not None and moment(due).year >= FAR


def _unfinished(evidence: Evidence, whole: Whole, row: InstanceRow) -> Iterator[Violation]:
    try:
        turns = [turn(recorded) for recorded in whole.turns]
    except PerdureError as error:
        yield Violation(RULE, whole.id, f"its log cannot be read: {error}")
        return
    parked = parked_from(row.parked)
    if parked is not None:
        yield Violation(RULE, whole.id, f"it is parked ({parked.reason}): {parked.message}")
        return
    reasons = waiting_for(row, turns, evidence.store, evidence.app, now=FOR_EVER)
    lies = [why for reason in reasons if (why := _lie(evidence, whole, reason)) is not None]
    if not reasons:
        yield Violation(RULE, whole.id, f"it is {row.status.name}, and waits for nothing")
    elif len(lies) == len(reasons):
        yield Violation(RULE, whole.id, "; ".join(lies))


def _lie(  # noqa: PLR0911 - a table, one line for each kind
    evidence: Evidence, whole: Whole, reason: Waiting
) -> str | None:
    """Why this is no reason to wait, unless it is one."""
    match reason.kind:
        case "event" | "resume" | "definition":
            return None
        case "activity":
            return _idle(evidence, whole, reason)
        case "sub-orchestration":
            return _gone(evidence, (reason.detail or "").removeprefix("instance "), reason)
        case "entity call" | "entity lock" if reason.holder is not None:
            if reason.holder == whole.id:
                return f"{reason}: which is itself"
            return _gone(evidence, reason.holder, reason)
        case "entity call":
            return _unheard(evidence, reason)
        case "timer" | "retry" | "start":
            far = reason.due is not None and reason.due.year >= FAR
            return None if far else f"{reason}: the time has come"
        case _:
            return f"{reason}: nobody is there to end that"


def _idle(evidence: Evidence, whole: Whole, reason: Waiting) -> str | None:
    attempts = evidence.ledger.attempts
    if attempts is None:
        return None
    runs = any(
        attempt.instance_id == whole.id and attempt.task_id == reason.task_id
        and attempt.ended is None
        for attempt in attempts
    )  # fmt: skip
    return None if runs else f"{reason}: nobody runs it"


def _gone(evidence: Evidence, instance_id: str, reason: Waiting) -> str | None:
    whole = evidence.wholes.get(instance_id)
    row = whole.instance if whole is not None else None
    if row is None:
        return f"{reason}: it is not there"
    return f"{reason}: it has ended" if row.status.is_terminal else None


def _unheard(evidence: Evidence, reason: Waiting) -> str | None:
    target = reason.name.rpartition(".")[0]
    whole = evidence.wholes.get(target)
    if whole is not None and whole.messages and is_entity(target):
        return None
    return f"{reason}: the entity has no such message"
