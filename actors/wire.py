"""How events and turns are written: the format of the log and of the mailboxes.

- An event is a JSON object: `type` holds its class's name, every field stands under its own name,
  and a field that has its default value is left out.
- A turn's events are a JSON array of them; its notes are an object of the same kind.
- Statuses are the protocol's numbers. Payloads are JSON inside a JSON string, so that they need
  not be read before somebody asks for them.
- A field may be added with a default, and an event type may be added. Nothing is ever renamed or
  removed: `tests/golden/` holds what earlier versions wrote.
"""

from collections.abc import Callable
from functools import partial
from operator import eq
from typing import Any, get_args

import orjson
from cattrs import Converter
from cattrs.fns import identity

from .failure import FailureDetails, qualified_name, storable
from .history import AnyEvent, TurnNotes

Document = dict[str, Any]

_converter = Converter(omit_if_default=True, detailed_validation=False)
# What may be absent and is plain otherwise is written as it is, without a call for each field.
for _optional in (str | None, int | None, float | None):
    _converter.register_unstructure_hook_func(partial(eq, _optional), identity)

_EVENT_TYPES: dict[str, type] = {cls.__name__: cls for cls in get_args(AnyEvent)}


class _Writers(dict[type, Callable[[Any], Document]]):
    """A writer for each class, made when the first of its kind is written."""

    def __missing__(self, cls: type) -> Callable[[Any], Document]:
        write = self[cls] = _converter.get_unstructure_hook(cls)
        return write


class _Readers(dict[str, tuple[type, Callable[[Any, Any], Any]]]):
    """A reader for each type of event, made when the first of its kind is read."""

    def __missing__(self, name: str) -> tuple[type, Callable[[Any, Any], Any]]:
        cls = _EVENT_TYPES[name]
        found = self[name] = cls, _converter.get_structure_hook(cls)
        return found


_WRITERS = _Writers()
_READERS = _Readers()


class UnreadableEventError(ValueError):
    """Raised when a stored event is none that this version knows."""

    def __init__(self, text: str) -> None:
        # It quotes what is damaged, and becomes what the store says of an instance.
        super().__init__(storable(text))


def event_document(event: AnyEvent) -> Document:
    """The event as plain JSON values."""
    cls = type(event)
    document = _WRITERS[cls](event)
    document["type"] = cls.__name__
    return document


def event_from(document: Document) -> AnyEvent:
    """The reverse of `event_document`; raises `UnreadableEventError`."""
    try:
        cls, read = _READERS[document["type"]]
        event: AnyEvent = read(document, cls)
    except Exception as error:
        raise UnreadableEventError(f"{document!r:.200}: {error!r}") from error
    return event


def write_events(events: list[AnyEvent]) -> str:
    """A turn's events as text."""
    return orjson.dumps(list(map(event_document, events))).decode()


def read_events(text: str) -> list[AnyEvent]:
    """The reverse of `write_events`; raises `UnreadableEventError`."""
    try:
        documents: list[Document] = [*orjson.loads(text)]
    except (orjson.JSONDecodeError, TypeError) as error:
        raise UnreadableEventError(f"{text:.200}: {error}") from error
    return [event_from(document) for document in documents]


def write_event(event: AnyEvent) -> str:
    """One event as text, for a mailbox."""
    return orjson.dumps(event_document(event)).decode()


def read_event(text: str) -> AnyEvent:
    """The reverse of `write_event`; raises `UnreadableEventError`."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnreadableEventError(f"{text:.200}: {error}") from error
    return event_from(document)


def write_notes(notes: TurnNotes | None) -> str | None:
    """A turn's notes as text, or None when there are none."""
    return None if notes is None else orjson.dumps(_WRITERS[TurnNotes](notes)).decode()


def read_notes(text: str | None) -> TurnNotes | None:
    """The reverse of `write_notes`; raises `UnreadableEventError`."""
    if text is None:
        return None
    try:
        notes = _converter.structure(orjson.loads(text), TurnNotes)
    except Exception as error:
        raise UnreadableEventError(f"notes {text:.200}: {error!r}") from error
    return notes


def write_failure(failure: FailureDetails | None) -> str | None:
    """Failure details as text, or None when there are none."""
    if failure is None:
        return None
    return orjson.dumps(_converter.unstructure(failure)).decode()


def read_failure(text: str | None) -> FailureDetails | None:
    """The reverse of `write_failure`; of what is unreadable it tells that."""
    if text is None:
        return None
    try:
        return _converter.structure(orjson.loads(text), FailureDetails)
    except Exception as error:  # noqa: BLE001 - whatever damage makes of it
        message = storable(f"the stored failure is damaged: {text:.200}: {error!r}")
        return FailureDetails(qualified_name(UnreadableEventError), message)
