"""The format of an archive: one line of JSON for each orchestration or entity, whole.

- `format` is the number of this format, 1; a line with a larger one was written by a newer Perdure.
- `id`, `instance`, `entity`, `turns`, `timers` and `messages` are the rows of `records.Whole`, each
  an object with the names of its fields; what is not there is null, or an empty list.
- Statuses are the protocol's words. Payloads, events and messages are texts, exactly as stored.
- Rows may get further fields with defaults; nothing is renamed or removed.
"""

from typing import Any, cast

import orjson
from cattrs.gen import make_dict_unstructure_fn, override

from ..actors.codec import Codec
from ..actors.conventions import default_converter
from ..actors.damage import legible
from ..actors.errors import InstanceIdError, PayloadError, StoreError
from ..actors.identity import EntityId, checked_instance_id, is_entity
from ..actors.status import Status
from .records import (
    AnyRow,
    EntityRow,
    InstanceRow,
    MessageRow,
    TimerRow,
    TurnRow,
    Whole,
    columns,
)

FORMAT = 1

_PARTS: dict[str, Any] = {
    "instance": InstanceRow | None,
    "entity": EntityRow | None,
    "turns": list[TurnRow],
    "timers": list[TimerRow],
    "messages": list[MessageRow],
}
_KEYS = ("format", "id", *_PARTS)
_ROWS: dict[str, type[AnyRow]] = {
    "instance": InstanceRow,
    "entity": EntityRow,
    "turns": TurnRow,
    "timers": TimerRow,
    "messages": MessageRow,
}
_NAMES = {part: set(columns(row)) for part, row in _ROWS.items()}
_STATUSES = {status.label: status for status in Status}


class ArchiveError(StoreError):
    """Raised when a line is none of an archive; says what is wrong with it."""


def _status(label: str, _: object) -> Status:
    if label not in _STATUSES:
        raise ValueError(f"there is no status {label!r}")
    return _STATUSES[label]


def _codec() -> Codec:
    converter = default_converter()
    converter.register_unstructure_hook(Status, lambda status: status.label)
    converter.register_structure_hook(Status, _status)
    for row in _ROWS.values():
        hook = make_dict_unstructure_fn(row, converter, damage=override(omit=True))
        converter.register_unstructure_hook(row, hook)
    return Codec(converter)


_CODEC = _codec()


def write_whole(whole: Whole) -> bytes:
    """One line, without its end."""
    if whole.damage is not None:
        raise ArchiveError(f"{legible(whole.id)!r}: {whole.damage}; or export the others")
    rows: dict[str, Any] = _CODEC.converter.unstructure(whole)
    try:
        return orjson.dumps({"format": FORMAT, **{key: rows[key] for key in _KEYS[1:]}})
    except TypeError as error:
        raise ArchiveError(
            f"{legible(whole.id)!r} holds damaged text ({error}): purge it, or export the others"
        ) from error


def read_whole(line: bytes) -> Whole:
    """The reverse of `write_whole`; raises `ArchiveError`."""
    try:
        document: dict[str, Any] = _CODEC.structure(orjson.loads(line), dict[str, Any], "line")
    except (orjson.JSONDecodeError, PayloadError) as error:
        raise ArchiveError(f"it is no JSON object: {error}") from error
    if document.get("format") != FORMAT:
        raise ArchiveError(
            f"its format is {document.get('format')!r}, this Perdure reads {FORMAT}: "
            "give a file of `perdure export`, or use the newer Perdure that wrote it"
        )
    if document.keys() != set(_KEYS):
        raise ArchiveError(f"it has {', '.join(sorted(document))} instead of {', '.join(_KEYS)}")
    try:
        parts = [_part(name, document[name]) for name in _PARTS]
        whole = Whole(_CODEC.structure(document["id"], str, "id"), *parts)
        _check(whole)
    except (PayloadError, InstanceIdError) as error:
        raise ArchiveError(str(error)) from error
    return whole


def _part(name: str, given: Any) -> Any:
    rows: list[Any] = [*given] if isinstance(given, list) else [given]
    for row in rows:
        strange = set(cast("dict[str, Any]", row) if isinstance(row, dict) else ()) - _NAMES[name]
        if strange:
            raise ArchiveError(f"{name} has {', '.join(sorted(strange))}, which this Perdure lacks")
    return _CODEC.structure(given, _PARTS[name], name)


def _check(whole: Whole) -> None:
    """Raise for what no store could have written."""
    _ = EntityId.parse(whole.id) if is_entity(whole.id) else checked_instance_id(whole.id)
    owners = {
        *(row.id for row in (whole.instance, whole.entity) if row is not None),
        *(turn.instance_id for turn in whole.turns),
        *(timer.instance_id for timer in whole.timers),
        *(message.target for message in whole.messages),
    }
    if strangers := owners - {whole.id}:
        raise ArchiveError(f"{whole.id!r} holds rows of {min(strangers)!r}")
    if not owners:
        raise ArchiveError(f"{whole.id!r} is empty")
    if [turn.sequence for turn in whole.turns] != list(range(len(whole.turns))):
        raise ArchiveError(f"{whole.id!r} lacks turns of its history")
    if (whole.instance if is_entity(whole.id) else whole.entity) is not None:
        raise ArchiveError(f"{whole.id!r} is an orchestration and an entity at once")
