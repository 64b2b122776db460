"""What was written once can be read for ever.

Each file holds documents as they lie in logs: one with every field, one with only those that have
no default. A new event type or field gets new documents; those that are here are never changed.
"""

from pathlib import Path
from typing import Any, get_args

import attrs
import orjson
import pytest

from perdure.actors.history import AnyEvent
from perdure.actors.wire import (
    event_document,
    event_from,
    read_events,
    read_notes,
    write_events,
    write_notes,
)

FOLDER = Path(__file__).parent
EVENT_TYPES: list[type[Any]] = sorted(get_args(AnyEvent), key=lambda cls: cls.__name__)
every_type = pytest.mark.parametrize("cls", EVENT_TYPES, ids=lambda cls: cls.__name__)


def documents(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads((FOLDER / f"{name}.json").read_bytes())
    return found


def test_every_event_type_has_its_file() -> None:
    names = {path.stem for path in FOLDER.glob("*.json")}
    assert names == {cls.__name__ for cls in EVENT_TYPES} | {"TurnNotes"}


@every_type
def test_old_events_are_read_and_written_alike(cls: type[Any]) -> None:
    for document in documents(cls.__name__):
        event = event_from(document)
        assert type(event) is cls
        assert event_document(event) == document


@every_type
def test_every_field_is_in_some_document(cls: type[Any]) -> None:
    written = {field for document in documents(cls.__name__) for field in document}
    assert written == {field.name for field in attrs.fields(cls)} | {"type"}


@every_type
def test_each_kind_of_event_travels_as_text(cls: type[Any]) -> None:
    events = [event_from(document) for document in documents(cls.__name__)]
    text = write_events(events)
    assert orjson.loads(text) == documents(cls.__name__)
    assert read_events(text) == events


def test_old_notes_are_read_and_written_alike() -> None:
    for document in documents("TurnNotes"):
        notes = read_notes(orjson.dumps(document).decode())
        assert notes is not None
        assert orjson.loads(write_notes(notes) or "") == document
