"""`perdure why`: what an instance waits for, and what that waits for in turn."""

from collections.abc import Callable
from shlex import quote
from typing import Any

from attrs import Factory, define, field
from rich.text import Text
from rich.tree import Tree

from perdure.actors.errors import InstanceNotFoundError
from perdure.actors.identity import is_entity
from perdure.actors.status import Status
from perdure.runtime.client.views import EntityState, InstanceStatus, Waiting

from .arguments import InstanceId, entity_id
from .documents import parked_document, waiting_document
from .printing import Printer, shown_status
from .session import Session
from .target import Target

DEPTH_MAX = 8
_CHILD = "instance "
"""What stands before a child's id in the detail of what is waited for."""


@define
class Reason:
    """One thing that is waited for, in words, and why that is not there yet."""

    waiting: Waiting
    text: str
    because: "Answer | None" = None


@define
class Answer:
    """Why one instance or entity does not go on."""

    actor_id: str
    status: Status | None
    """None for an entity, and for what is not there."""
    remarks: list[str] = Factory(list[str])
    reasons: list[Reason] = Factory(list[Reason])
    parked: dict[str, Any] | None = None


async def why(session: Session, instance_id: InstanceId) -> None:
    """Say what an instance or entity waits for, and what to do about it."""
    printer = session.printer
    async with session.target() as target:
        inquiry = Inquiry(target, printer)
        answer = await inquiry.about(instance_id)
        absent = await target.absence()
    going_on = answer.status is None or not answer.status.is_terminal
    if absent is not None and going_on:
        answer.remarks.insert(0, absent)
    if printer.as_json:
        printer.document(answer_document(answer))
    else:
        printer.show(_tree(answer))


@define
class Inquiry:
    """Asks on and on, until it comes to an end or back to where it was."""

    target: Target
    printer: Printer
    asked: list[str] = field(init=False, factory=list[str])

    async def about(self, actor_id: str) -> Answer:
        """Ask about an instance or entity; raises `InstanceNotFoundError`."""
        self.asked.append(actor_id)
        ask = self._entity if is_entity(actor_id) else self._instance
        answer = await ask(actor_id)
        self.asked.pop()
        return answer

    async def _instance(self, instance_id: str) -> Answer:
        found = await self.target.status(instance_id, waiting=True)
        answer = Answer(instance_id, found.runtime_status, parked=parked_document(found.parked))
        if found.is_completed:
            answer.remarks.append(_ended(found, self.printer))
            return answer
        for waiting in found.waiting_for or []:
            text = _explained(waiting, instance_id, self.printer)
            answer.reasons.append(Reason(waiting, text, await self._behind(waiting)))
        if not answer.reasons:
            answer.remarks.append("it waits for nothing: its code is about to go on")
        return answer

    async def _behind(self, waiting: Waiting) -> Answer | None:
        culprit = waiting.holder
        if waiting.kind == "sub-orchestration" and waiting.detail is not None:
            culprit = waiting.detail.removeprefix(_CHILD)
        # A lock that it holds itself does not keep it.
        if culprit is None or culprit == self.asked[-1]:
            return None
        if culprit in self.asked:
            circle = "this waits for that in turn: a circle that only terminating one of them ends"
            return Answer(culprit, None, [circle])
        if len(self.asked) >= DEPTH_MAX:
            return Answer(culprit, None, [f"`perdure why {culprit}` says more"])
        try:
            return await self.about(culprit)
        except InstanceNotFoundError:
            return Answer(culprit, None, [_gone(waiting)])

    async def _entity(self, text: str) -> Answer:
        found = await self.target.entity(entity_id(text))
        answer = Answer(text, None, parked=parked_document(found.parked))
        answer.remarks.extend(_entity_remarks(found))
        if found.locked_by is not None:
            waiting = Waiting("entity lock", text, holder=found.locked_by)
            reason = f"{found.locked_by} holds its lock"
            answer.reasons.append(Reason(waiting, reason, await self._behind(waiting)))
        elif not answer.remarks:
            answer.remarks.append("it waits for nothing but operations")
        return answer


def _ended(found: InstanceStatus, printer: Printer) -> str:
    when = printer.time(found.completed_time or found.last_updated_time)
    text = f"it is {found.runtime_status.label} since {when}"
    if found.failure_details is not None:
        text += f": {found.failure_details}; `perdure rewind {found.instance_id}` tries again"
    return text


def _gone(waiting: Waiting) -> str:
    if waiting.kind == "sub-orchestration":
        return "it has not begun, or was purged"
    return "there is no such instance any more: `perdure entity clean` releases its locks"


def _entity_remarks(found: EntityState) -> list[str]:
    remarks = [f"{found.backlog_queue_size} messages wait"] if found.backlog_queue_size else []
    if found.parked is not None:
        fix = f"mend the code, then `perdure resume {found.id}`"
        remarks.append(f"it is parked: {found.parked.message}; {fix}")
    return remarks


def _explained(waiting: Waiting, instance_id: str, printer: Printer) -> str:
    return _EXPLAINED[waiting.kind](waiting, instance_id, printer)


def _activity(waiting: Waiting, _: str, printer: Printer) -> str:
    attempt = f", attempt {waiting.attempt}" if (waiting.attempt or 1) > 1 else ""
    since = printer.time(waiting.since)
    return f"activity {waiting.name}{attempt}, asked for at {since}, has not come back yet"


def _retry(waiting: Waiting, _: str, printer: Printer) -> str:
    text = f"activity {waiting.name} is tried again at {printer.time(waiting.due)}"
    return f"{text} (attempt {waiting.attempt}): {waiting.detail or 'its last attempt failed'}"


def _timer(waiting: Waiting, _: str, printer: Printer) -> str:
    return f"a timer, due at {printer.time(waiting.due)}"


def _event(waiting: Waiting, instance_id: str, _: Printer) -> str:
    words = f"{quote(instance_id)} {quote(waiting.name)}"
    return f"event {waiting.name}: `perdure raise {words} DATA` brings it"


def _child(waiting: Waiting, _: str, printer: Printer) -> str:
    return f"its child {waiting.name}, asked for at {printer.time(waiting.since)}"


def _call(waiting: Waiting, instance_id: str, printer: Printer) -> str:
    text = f"the answer to {waiting.name}, called at {printer.time(waiting.since)}"
    if waiting.detail is not None:
        text += f"; the entity is parked: {waiting.detail}"
    is_free = waiting.holder in {None, instance_id}
    return text if is_free else f"{text}; the entity is locked by {waiting.holder}"


def _lock(waiting: Waiting, _: str, printer: Printer) -> str:
    text = f"the lock of {waiting.name}, asked for at {printer.time(waiting.since)}"
    return f"{text}, which {waiting.holder} holds" if waiting.holder else text


def _start(waiting: Waiting, _: str, printer: Printer) -> str:
    if waiting.due is not None:
        return f"its start, scheduled for {printer.time(waiting.due)}"
    return "its start: a runtime has yet to take it up"


def _resume(_: Waiting, instance_id: str, __: Printer) -> str:
    return f"being resumed: `perdure resume {quote(instance_id)}`"


def _mend(waiting: Waiting, instance_id: str, _: Printer) -> str:
    fix = f"deploy code that fits its history, then `perdure resume {quote(instance_id)}`"
    return f"code that fits: {waiting.detail}; {fix}"


def _definition(waiting: Waiting, _: str, __: Printer) -> str:
    detail = waiting.detail or "it is not registered"
    return f"code for {waiting.name}: {detail}; it goes on where that is deployed"


_EXPLAINED: dict[str, Callable[[Waiting, str, Printer], str]] = {
    "activity": _activity,
    "retry": _retry,
    "timer": _timer,
    "event": _event,
    "sub-orchestration": _child,
    "entity call": _call,
    "entity lock": _lock,
    "start": _start,
    "resume": _resume,
    "definition": _definition,
    "mend": _mend,
}


def answer_document(answer: Answer) -> dict[str, Any]:
    """An answer as JSON; `because` is what is behind a reason, in the same shape."""
    status = answer.status
    return {
        "instanceId": answer.actor_id,
        "runtimeStatus": status.label if status is not None else None,
        "remarks": answer.remarks,
        "parked": answer.parked,
        "waitingFor": [
            waiting_document(reason.waiting)
            | {
                "text": reason.text,
                "because": answer_document(reason.because) if reason.because else None,
            }
            for reason in answer.reasons
        ],
    }


def _tree(answer: Answer) -> Tree:
    heading = Text(answer.actor_id, "bold")
    if answer.status is not None:
        heading.append(" is ", "not bold").append(shown_status(answer.status))
    tree = Tree(heading)
    for remark in answer.remarks:
        tree.add(Text(remark))
    for line in _comparison(answer):
        tree.add(Text(line, "dim"))
    for reason in answer.reasons:
        branch = tree.add(Text(f"waits for {reason.text}"))
        if reason.because is not None:
            branch.add(_tree(reason.because))
    return tree


def _comparison(answer: Answer) -> list[str]:
    """Recorded and actual calls of a history that the code does not fit."""
    listing: list[tuple[str, str]] = (answer.parked or {}).get("listing", [])
    return [f"recorded {recorded}    now {actual}" for recorded, actual in listing]
