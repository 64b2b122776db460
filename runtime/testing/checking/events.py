"""What clients raised has come, once: where a log shows all that ever came to an instance.

That is so for the newest execution when a client began it, so that none was before it. What has
ended may have done so before an event came that was acknowledged.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from perdure.actors.history import EventRaised
from perdure.actors.wire import read_event
from perdure.persistence.records import Whole

from .acknowledged import DURABLE, ONCE
from .evidence import Evidence, Verdict, Violation
from .ledger import read_turn
from .operation import Operation

Raised = tuple[str, str | None]
"""The name and the data of an event."""


def check_events(evidence: Evidence, verdict: Verdict) -> None:
    """Count the events of instances of which `by_clients` has the name.

    Whoever watched every turn knows more: see `check_acknowledged`.
    """
    if evidence.ledger.steps is not None:
        return
    sent: dict[str, list[Operation]] = {}
    for told in evidence.history.operations:
        if told.answer != "refused":
            sent.setdefault(told.target, []).append(told)
    for whole in evidence.wholes.values():
        asked = sent.get(whole.id, [])
        if _shows_all(evidence, whole, asked):
            raised = [told for told in asked if told.kind == "event"]
            verdict.judged += sum(told.answer == "done" for told in raised)
            verdict.violations += _compared(whole, raised)


def _shows_all(evidence: Evidence, whole: Whole, asked: Sequence[Operation]) -> bool:
    """Whether all that ever came is in its log or its mailbox, and was sent by these."""
    row = whole.instance
    if row is None or row.name not in evidence.by_clients or row.parked is not None:
        return False
    replaced = any(told.kind in {"purge", "rewind"} for told in asked)
    starts = [told.id for told in asked if told.kind == "start"]
    return starts == [row.execution_id] and not replaced


def _compared(whole: Whole, raised: Sequence[Operation]) -> Iterator[Violation]:
    arrived = Counter(_arrived(whole))
    certain = Counter((told.name, told.input) for told in raised if told.answer == "done")
    possible = Counter((told.name, told.input) for told in raised)
    unfinished = whole.instance is not None and not whole.instance.status.is_terminal
    for key in sorted({*arrived, *certain}, key=str):
        what = f"event {key[0]} {key[1] or ''}".strip()
        if unfinished and arrived[key] < certain[key]:
            text = f"{what} was sent {certain[key]} times and arrived {arrived[key]} times"
            yield Violation(DURABLE, whole.id, text)
        if arrived[key] > possible[key]:
            text = f"{what} arrived {arrived[key]} times and was sent {possible[key]} times"
            yield Violation(ONCE, whole.id, text)


def _arrived(whole: Whole) -> Iterator[Raised]:
    for row in whole.turns:
        for event in read_turn(row).events:
            if isinstance(event, EventRaised):
                yield event.name, event.input
    for message in whole.messages:
        event = read_event(message.body)
        if isinstance(event, EventRaised):
            yield event.name, event.input
