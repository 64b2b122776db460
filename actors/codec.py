"""Payloads: the wire contract of everything that user code passes and returns.

- A payload is JSON text, or None where the value is None.
- Annotations decide how JSON becomes a value: attrs classes, dataclasses, enums, TypedDict,
  NewType, generics, unions, tuples and sets, besides the plain JSON types. Without an annotation,
  or with Any, plain JSON values come back.
- datetime, date and time are ISO 8601 texts; timedelta is a number of seconds; Decimal and UUID
  are texts; bytes are base64; enums are their values.
- What cannot be written (an unknown class, NaN, a key that is no text) is refused with the path
  to it. Nothing is pickled.
"""

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, cast
from uuid import UUID

import attrs
import orjson
from cattrs import Converter, transform_error

from .errors import PayloadError, PayloadTooLargeError
from .history import Payload

PAYLOAD_BYTES_MAX = 4 * 1024 * 1024

_PLAIN = (str, bool)
_ORJSON_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)

Hook = Callable[[Any], Any]


def default_converter() -> Converter:
    """A cattrs converter with the conventions of this module; add hooks of your own to it."""
    converter = Converter(unstruct_collection_overrides={set: list, frozenset: list})
    for cls in (datetime, date, time):
        converter.register_unstructure_hook(cls, cls.isoformat)
        converter.register_structure_hook(cls, _from_iso)
    converter.register_unstructure_hook(timedelta, timedelta.total_seconds)
    converter.register_structure_hook(timedelta, lambda v, _: timedelta(seconds=v))
    converter.register_unstructure_hook(Decimal, str)
    converter.register_structure_hook(Decimal, lambda v, _: Decimal(v))
    converter.register_unstructure_hook(UUID, str)
    converter.register_structure_hook(UUID, lambda v, _: v if isinstance(v, UUID) else UUID(v))
    converter.register_unstructure_hook(bytes, lambda v: base64.b64encode(v).decode())
    converter.register_structure_hook(bytes, lambda v, _: base64.b64decode(v, validate=True))
    converter.register_structure_hook(type(None), _only_none)
    for plain in (int, float, str, bool):
        converter.register_structure_hook(plain, _strict)
    converter.register_structure_hook_func(lambda type_: type_ is object, lambda v, _: v)
    return converter


def _from_iso(value: Any, cls: Any) -> Any:
    if isinstance(value, cls):
        return value
    return cls.fromisoformat(value)


def _only_none(value: Any, _: Any) -> None:
    if value is not None:
        raise TypeError(f"expected nothing, got {value!r:.60}")


def _strict(value: Any, cls: Any) -> Any:
    """JSON's own types are not turned into each other, but a whole number is a float as well."""
    if type(value) is cls or (cls is float and type(value) is int):
        return cls(value)
    raise TypeError(f"expected {cls.__name__}, got {type(value).__name__} {value!r:.60}")


class Codec:
    """Writes and reads payloads with one converter and one cap."""

    def __init__(
        self, converter: Converter | None = None, payload_bytes_max: int = PAYLOAD_BYTES_MAX
    ) -> None:
        self.converter = converter if converter is not None else default_converter()
        self.payload_bytes_max = payload_bytes_max
        self._readers: dict[Any, Callable[[Any, Any], Any]] = {}

    def write(self, value: Any, path: str) -> Payload:
        """The value as JSON text.

        Raises `PayloadError` with the path to what cannot be written, and `PayloadTooLargeError`.
        """
        if value is None:
            return None
        try:
            plain = value if type(value) in _PLAIN else self.converter.unstructure(value)
            data = orjson.dumps(plain, option=_ORJSON_OPTIONS)
        except Exception:  # noqa: BLE001 - the slow way finds out what it was, and where
            data = self._write_slowly(value, path)
        else:
            if type(plain) not in _PLAIN and b"null" in data:
                _refuse_lost_floats(plain, path)
        if len(data) > self.payload_bytes_max:
            raise PayloadTooLargeError(path, len(data), self.payload_bytes_max)
        return data.decode()

    def _write_slowly(self, value: Any, path: str) -> bytes:
        _check_classes(value, path)
        try:
            plain = self.converter.unstructure(value)
        except Exception as error:
            raise PayloadError(
                path, _type_name(type(value)), f"cannot be written: {error}"
            ) from error
        _check(plain, path)
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()

    def read(self, payload: Payload, type_: Any, path: str) -> Any:
        """The value of that type; raises `PayloadError` that tells all that does not fit."""
        if type_ is Any or type_ is object:
            return None if payload is None else _loads(payload)
        value = None if payload is None else _loads(payload)
        return self.structure(value, type_, path)

    def structure(self, value: Any, type_: Any, path: str) -> Any:
        """Plain JSON as that type; raises `PayloadError`."""
        if type_ is Any or type_ is object:
            return value
        try:
            reader = self._readers.get(type_)
            if reader is None:
                known = type(None) if type_ is None else type_
                reader = self._readers[type_] = self.converter.get_structure_hook(known)
            return reader(value, type_)
        except PayloadError:
            raise
        except Exception as error:
            raise PayloadError(path, _type_name(type_), _problems(error, path)) from error


def _loads(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def _problems(error: Exception, path: str) -> str:
    lines = transform_error(error, path)
    return "; ".join(lines) if lines else str(error)


def _type_name(type_: Any) -> str:
    return getattr(type_, "__qualname__", None) or str(type_)


def _refuse_lost_floats(plain: Any, path: str) -> None:
    """JSON has no NaN and no infinity, and the fast writer turns them into null."""
    _check(plain, path)


def _check(plain: Any, path: str) -> None:
    """Find what plain JSON cannot hold."""
    match plain:
        case Enum():
            raise PayloadError(path, _type_name(type(plain)), "is an enum in an untyped value")
        case None | bool() | int():
            pass
        case float():
            if not math.isfinite(plain):
                raise PayloadError(path, "float", f"{plain} is not JSON")
        case str():
            _check_text(plain, path)
        case list() | tuple():
            for index, item in enumerate(cast("Sequence[Any]", plain)):
                _check(item, f"{path}[{index}]")
        case dict():
            _check_object(cast("Mapping[Any, Any]", plain), path)
        case _:
            raise PayloadError(
                path,
                _type_name(type(plain)),
                "is not JSON; use an attrs class, a dataclass or plain values, "
                "or add a hook to the App's converter",
            )


def _check_object(pairs: Mapping[Any, Any], path: str) -> None:
    for key, item in pairs.items():
        if not isinstance(key, str):
            raise PayloadError(path, _type_name(type(key)), f"key {key!r:.60} is not a text")
        _check(item, f"{path}.{key}")


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PayloadError(path, "str", f"is not valid Unicode: {error.reason}") from error


def _check_classes(value: Any, path: str) -> None:
    """Walk values that a converter would pass through, to name the path in the user's words."""
    cls = cast("type[Any]", type(value))
    if attrs.has(cls):
        for attribute in attrs.fields(cls):
            _check_classes(getattr(value, attribute.name), f"{path}.{attribute.name}")
    elif isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value)
        for key, item in pairs.items():
            _check_classes(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        items = cast("Sequence[Any]", value)
        for index, item in enumerate(items):
            _check_classes(item, f"{path}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise PayloadError(path, "float", f"{value} is not JSON")
