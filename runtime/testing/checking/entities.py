"""Entity operations form one order: every answer, and the state in the end, as if one by one.

The order respects what was apart in time and each sender's own order. An operation whose client got
no answer may have happened or not; everything acknowledged, and all that a durable turn has sent,
has happened exactly once.
"""

from collections import defaultdict
from collections.abc import Iterator

from perdure.actors.history import (
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
)
from perdure.actors.identity import EntityId, is_entity
from perdure.actors.wire import read_event

from .evidence import Evidence, Verdict, Violation
from .ledger import Ledger
from .linear import Deed, Search
from .model import Answer, EntityModel, Request
from .operation import Operation

RULE = "operations of an entity form one order"


def check_entities(evidence: Evidence, verdict: Verdict) -> None:
    """Look for an order of the operations of each entity."""
    deeds = _deeds(evidence)
    unseen = _unseen_senders(evidence)
    others = _other_senders(evidence)
    for entity_id, found in sorted(deeds.items()):
        name = EntityId.parse(entity_id).name
        if name in evidence.opaque:
            verdict.undecided.append(f"{entity_id}: its code was said to be opaque")
        elif entity_id in others:
            text = "by_clients has its name, and yet it was sent to by"
            verdict.undecided.append(f"{entity_id}: {text} {others[entity_id]}")
        elif unseen and name not in evidence.by_clients:
            verdict.undecided.append(f"{entity_id}: {unseen}")
        else:
            _check(evidence, verdict, entity_id, found)


def _check(evidence: Evidence, verdict: Verdict, entity_id: str, deeds: list[Deed]) -> None:
    whole = evidence.wholes.get(entity_id)
    row = whole.entity if whole is not None else None
    waiting = {
        getattr(read_event(message.body), "request_id", "")
        for message in (whole.messages if whole is not None else ())
    }
    if row is not None and row.parked is not None:
        verdict.undecided.append(f"{entity_id}: it is parked")
        return
    for deed in deeds:
        if deed.what.request_id in waiting:
            deed.needed = False
    model = EntityModel(evidence.app, entity_id)
    search = Search(deeds, model.apply, row.state if row is not None else None)
    found = search.run()
    if found == "order":
        verdict.judged += sum(deed.sender.startswith("client ") for deed in deeds)
    elif found == "undecided":
        verdict.undecided.append(f"{entity_id}: {len(deeds)} operations have too many orders")
    elif found == "none" and model.depends_on_time():
        verdict.undecided.append(
            f"{entity_id}: its code depends on more than its state, such as the time"
        )
    elif found == "none":
        verdict.violations.append(Violation(RULE, entity_id, _shown(search, len(deeds))))


def _shown(search: Search, count: int) -> str:
    text = f"no order of its {count} operations explains the answers and the state {search.final}"
    if search.stuck is None:
        return text
    request: Request = search.stuck.what
    return (
        f"{text}; after {search.furthest} of them, {request.operation}({request.input or ''}) "
        f"cannot have been answered with {search.stuck.answer}"
    )


def _unseen_senders(evidence: Evidence) -> str:
    """Why not all operations are known."""
    if evidence.ledger.steps is not None:
        return ""
    senders = [definition.name for definition in evidence.app.entities.values()]
    sees_all = not any(
        operation.takes_context
        for definition in evidence.app.entities.values()
        for operation in definition.operations.values()
    )
    if sees_all and evidence.ledger.complete:
        return ""
    return f"what {', '.join(senders)} sent, and what earlier executions did, is not on record"


def _other_senders(evidence: Evidence) -> dict[str, str]:
    """Entities that only clients should write to, each with an orchestration that did as well."""
    found: dict[str, str] = {}
    if evidence.ledger.steps is not None or not evidence.by_clients:
        return found
    for life in evidence.ledger:
        for _, event in life.events:
            if (
                isinstance(event, (EntityOperationCalled, EntityOperationSignaled))
                and EntityId.parse(event.target).name in evidence.by_clients
            ):
                found[event.target] = life.instance_id
    return found


# What was asked


def _deeds(evidence: Evidence) -> dict[str, list[Deed]]:
    deeds: dict[str, list[Deed]] = defaultdict(list)
    by_id: dict[str, Deed] = {}
    for deed in (*_of_clients(evidence.history.operations), *_of_actors(evidence.ledger)):
        deeds[deed.what.target].append(deed)
        by_id[deed.what.request_id] = deed
    locked = _mark_order(evidence.ledger, by_id)
    for entity_id in locked:
        for deed in deeds.get(entity_id, ()):
            # A holder's calls go before the signals that wait, its own among them.
            deed.before_signals = not deed.sender.startswith("client ") and not deed.signal
    return deeds


def _of_clients(operations: list[Operation]) -> Iterator[Deed]:
    for place, told in enumerate(operations):
        if told.kind not in {"call", "signal"} or told.answer == "refused":
            continue
        signal = told.kind == "signal"
        kind = EntityOperationSignaled if signal else EntityOperationCalled
        yield Deed(
            kind(0, -1, told.id, told.name, told.target, told.input),
            told.asked,
            None if signal and (told.outside or told.due is not None) else told.answered,
            _told_answer(told),
            told=told.kind == "call" and told.answer == "done",
            needed=told.answer == "done",
            sender=f"client {told.client}" if told.due is None else "",
            place=place,
            signal=signal,
        )


def _told_answer(told: Operation) -> Answer:
    return ("failed", told.failure[0]) if told.failure is not None else ("done", told.result)


def _of_actors(ledger: Ledger) -> Iterator[Deed]:
    for place, step in enumerate(ledger.steps or ()):
        for number, message in enumerate(step.sent):
            event = message.event
            if not isinstance(event, (EntityOperationCalled, EntityOperationSignaled)):
                continue
            if not is_entity(message.target):
                continue
            delayed = message.due is not None
            signal = isinstance(event, EntityOperationSignaled)
            yield Deed(
                event,
                step.taken_at,
                step.taken_at if signal and not delayed else None,
                sender="" if delayed else step.actor,
                place=place * 100_000 + number,
                signal=signal,
            )


def _mark_order(ledger: Ledger, deeds: dict[str, Deed]) -> set[str]:
    """Note which answers actors got, and in which order the entities say that they went."""
    locked: set[str] = set()
    for place, step in enumerate(ledger.steps or ()):
        for number, event in enumerate(step.taken):
            match event:
                case EntityOperationCompleted() | EntityOperationFailed():
                    deed = deeds.get(event.request_id)
                    if deed is not None and not deed.told:
                        deed.told, deed.answered = True, step.moment
                        deed.answer = _answer_of(event)
                case EntityOperationCalled() | EntityOperationSignaled():
                    if event.request_id in deeds:
                        deeds[event.request_id].hint = place * 100_000 + number
                case EntityLockRequested():
                    locked.add(step.actor)
                case _:
                    pass
    return locked


def _answer_of(event: EntityOperationCompleted | EntityOperationFailed) -> Answer:
    if isinstance(event, EntityOperationFailed):
        return "failed", event.failure.type
    return "done", event.output
