"""What is left when everything has come to rest, and how two of that differ."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeGuard
from uuid import UUID

import orjson
from attrs import AttrsInstance, asdict, frozen, has

from perdure.actors.wire import read_failure
from perdure.persistence.records import EntityRow, InstanceRow
from perdure.persistence.store import Store


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


_ABSENT = _Absent()
_ID = re.compile(
    r"\b(?:c?0{20}[0-9a-f]{11,12}"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b"
)
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")


@frozen
class InstanceEnd:
    """How one orchestration ended, or how far it has come."""

    name: str
    status: str
    """As the protocol spells it, for instance `Completed`."""
    output: Any = None
    failure: str | None = None
    """Type and message."""
    custom_status: Any = None
    parked: bool = False


@frozen
class EntityEnd:
    """What is left of an entity."""

    state: Any
    locked_by: str | None = None


@frozen
class EndState:
    """What is left when everything has come to rest."""

    result: Any
    """What the scenario returned."""
    instances: dict[str, InstanceEnd]
    """By id."""
    entities: dict[str, EntityEnd]
    """By id, `@name@key`."""
    undelivered: dict[str, int]
    """How many messages wait, by the id of whom they are for."""

    @classmethod
    def of(cls, result: Any, store: Store) -> "EndState":
        """Read it from a store at rest."""
        wholes = [*store.export()]
        return cls(
            result,
            {whole.id: _instance(whole.instance) for whole in wholes if whole.instance},
            {whole.id: _entity(whole.entity) for whole in wholes if whole.entity},
            {whole.id: len(whole.messages) for whole in wholes if whole.messages},
        )


def masked(end: EndState) -> Any:
    """Everything but generated ids and times, which a crash may change; the usual comparison."""
    return {
        "result": _masked(end.result),
        "instances": _by_masked_id(end.instances),
        "entities": _by_masked_id(end.entities),
        "undelivered": _by_masked_id(end.undelivered),
    }


def exact(end: EndState) -> Any:
    """Everything as it is."""
    return asdict(end)


def differences(undisturbed: Any, other: Any, path: str = "") -> Iterator[str]:
    """Say where and how one differs from the other, part by part."""
    if _is_mapping(undisturbed) and _is_mapping(other):
        for key in (*undisturbed, *(key for key in other if key not in undisturbed)):
            inner = f"{path}.{key}" if path else str(key)
            yield from differences(undisturbed.get(key, _ABSENT), other.get(key, _ABSENT), inner)
    elif undisturbed != other:
        yield f"{path or 'it'}: {undisturbed!r:.300} undisturbed, {other!r:.300} here"


def _instance(row: InstanceRow) -> InstanceEnd:
    failure = read_failure(row.failure)
    return InstanceEnd(
        row.name,
        row.status.label,
        _plain(row.output),
        str(failure) if failure is not None else None,
        _plain(row.custom_status),
        row.parked is not None,
    )


def _entity(row: EntityRow) -> EntityEnd:
    return EntityEnd(_plain(row.state), row.locked_by)


def _plain(payload: str | None) -> Any:
    return None if payload is None else orjson.loads(payload)


def _by_masked_id(ends: Mapping[str, Any]) -> dict[str, Any]:
    """Those whose ids were generated are told apart by what became of them."""
    pairs = [(_masked(actor_id), _masked(end)) for actor_id, end in ends.items()]
    seen: Counter[str] = Counter()
    named: dict[str, Any] = {}
    for actor_id, end in sorted(pairs, key=repr):
        seen[actor_id] += 1
        named[actor_id if seen[actor_id] == 1 else f"{actor_id} ({seen[actor_id]})"] = end
    return named


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _TIME.sub("<time>", _ID.sub("<id>", value))
    if isinstance(value, date):
        return "<time>"
    if isinstance(value, UUID):
        return "<id>"
    if _is_mapping(value):
        return {_masked(key): _masked(inner) for key, inner in value.items()}
    if _is_sequence(value):
        return [_masked(inner) for inner in value]
    return _masked(asdict(value, recurse=False)) if _is_attrs(value) else value


def _is_attrs(value: object) -> TypeGuard[AttrsInstance]:
    return has(type(value))


def _is_mapping(value: Any) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_sequence(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, (list, tuple))
