"""The whole history of an instance: at once, or event by event as they become durable."""

import re
from collections.abc import Iterator
from typing import Any

from attrs import frozen
from starlette.responses import Response

from perdure.runtime.client.progress import HistoryMark, Progress
from perdure.runtime.client.views import HistoryEvent, InstanceStatus

from .answers import OK, json_answer
from .call import Call
from .endpoint import Endpoint
from .event_stream import Event, EventStream
from .instance_document import SHOWN, instance_document
from .keys import Access
from .parameters import flag, header, words
from .refusal import BAD_REQUEST, NOT_FOUND
from .shapes import HISTORY, STREAM, STREAM_ENDED

NO_CONTENT = 204

END = "end"
MARK_PATTERN = rf"^[0-9a-f]{{32}}-([0-9]{{1,9}}-[0-9]{{1,9}}|{END})$"


@frozen
class Seen:
    """What a reader who comes again has seen already."""

    execution_id: str
    mark: HistoryMark | None
    """None when that was the end of the execution."""

    @classmethod
    def parse(cls, text: str) -> "Seen":
        """Read the id of an event of a stream; raises `ValueError`."""
        if re.fullmatch(MARK_PATTERN, text) is None:
            raise ValueError(text)
        execution_id, _, place = text.partition("-")
        return cls(execution_id, None if place == END else HistoryMark.parse(text))


LAST_EVENT_ID = header(
    "Last-Event-ID",
    "The id of the last event that was seen; the stream goes on behind it.",
    Seen.parse,
    "the id of an event of this stream",
    pattern=MARK_PATTERN,
)
TELL_INPUT = flag("showInput", "Whether the status has the input.")
TELL_HISTORY = flag("showHistory", "Whether the events of the history are told.", default=True)
TELL = words(
    "show",
    "What else the status has.",
    tuple(part for part in SHOWN if part != "waitingFor"),
)


async def get_history(call: Call) -> Response:
    """All events of the current execution, as `perdure.testing.replay` reads them."""
    instance_id = call.path["instanceId"]
    events = await call.client().get_history(instance_id)
    documents = [_document(event, show_stacks=call.service.show_stacks) for event in events]
    if documents:
        documents[0]["instance_id"] = instance_id
    return json_answer(documents)


async def follow_instance(call: Call) -> Response:
    """Server-sent events of an instance: `history` events, its `status`, and `end` at its end."""
    seen, show = LAST_EVENT_ID.read(call.headers), TELL.read(call.query)
    show_input, show_history = TELL_INPUT.read(call.query), TELL_HISTORY.read(call.query)
    show_stacks = call.service.show_stacks
    after = seen.mark if seen is not None else None
    follower = call.client().follow(call.path["instanceId"], after=after)
    first = await anext(follower)
    if _has_seen_all(seen, first.status):
        # Tells browsers not to come again.
        return Response(status_code=NO_CONTENT)

    def tell(progress: Progress) -> Iterator[Event]:
        status = progress.status
        document = instance_document(status, show, show_stacks=show_stacks, show_input=show_input)
        if show_history:
            for mark, event in progress.events:
                yield Event("history", _document(event, show_stacks=show_stacks), str(mark))
        if progress.status_changed:
            yield Event("status", document)
        if status.is_completed:
            yield Event(END, document, f"{status.execution_id}-{END}")

    return EventStream(first, follower, tell, call.service.heartbeat_seconds)


def _has_seen_all(seen: Seen | None, status: InstanceStatus) -> bool:
    if seen is None or seen.mark is not None:
        return False
    return status.is_completed and status.execution_id == seen.execution_id


def _document(event: HistoryEvent, *, show_stacks: bool) -> dict[str, Any]:
    document = event.document()
    fields = document["event"]
    failure = fields.get("failure") if fields is not None and not show_stacks else None
    while failure is not None:
        failure.pop("stack", None)
        failure = failure.get("inner")
    return document


HISTORIES = [
    Endpoint(
        "GET",
        "/instances/{instanceId}/history",
        get_history,
        (OK, NOT_FOUND),
        access=Access.READ,
        shows={OK: HISTORY},
    ),
    Endpoint(
        "GET",
        "/instances/{instanceId}/events",
        follow_instance,
        (OK, NO_CONTENT, BAD_REQUEST, NOT_FOUND),
        (TELL_INPUT, TELL_HISTORY, TELL),
        access=Access.READ,
        headers=(LAST_EVENT_ID,),
        shows={OK: STREAM, NO_CONTENT: STREAM_ENDED},
    ),
]
