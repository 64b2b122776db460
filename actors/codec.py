"""Payloads: the wire contract of everything that user code passes and returns.

- A payload is JSON text, or None where the value is None.
- Annotations decide how JSON becomes a value: attrs classes, dataclasses, enums, TypedDict,
  NewType, generics, unions, tuples and sets, besides the plain JSON types. Without an annotation,
  or with Any or object, plain JSON values come back.
- datetime, date and time are ISO 8601 texts; timedelta is a number of seconds; Decimal and UUID
  are texts; bytes are base64; enums are their values.
- Integers may have any size. JSON's types are not turned into each other, except that a whole
  number is a float as well.
- A key of a mapping that is an int, UUID, enum, date or the like becomes a text. The annotated
  type of the keys turns it back; without one it stays a text. Two keys with one text are refused.
- A value of a union becomes the first member, in the order of the annotation, that is written
  like it: in `date | str`, a text that is a date becomes one. Of several classes, the one with
  these keys comes first.
- What cannot be written (an unknown class, NaN, a circle, a lone surrogate) is refused with the
  path to it, and so is text that is not JSON. Nothing is pickled.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeGuard, cast

import orjson
from cattrs import Converter, transform_error

from .conventions import PLAIN, STRICTLY, default_converter, fields_of
from .errors import PayloadError, PayloadTooLargeError
from .history import Payload

PAYLOAD_BYTES_MAX = 4 * 1024 * 1024

_ORJSON_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)

# orjson reads integers beyond 64 bits as floats. They have at least this many digits.
_DIGITS_MAX = 18
_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * (_DIGITS_MAX + 1)


class Codec:
    """Writes and reads payloads with one converter and one cap."""

    def __init__(
        self, converter: Converter | None = None, payload_bytes_max: int = PAYLOAD_BYTES_MAX
    ) -> None:
        self.converter = converter if converter is not None else default_converter()
        self.payload_bytes_max = payload_bytes_max
        self._readers: dict[Any, Callable[[Any, Any], Any]] = {}
        self._as_they_are: set[Any] = set()
        """The types that a value of exactly that class is read as by its reader, which costs more
        than to see that."""

    def write(self, value: Any, path: str) -> Payload:
        """The value as JSON text.

        Raises `PayloadError` with the path to what cannot be written, and `PayloadTooLargeError`.
        """
        if value is None:
            return None
        try:
            if type(value) in PLAIN:
                lost = (data := orjson.dumps(value)) == b"null"
            else:
                plain = self.converter.unstructure(value)
                data = orjson.dumps(plain, option=_ORJSON_OPTIONS)
                lost = b"null" in data and _holds_lost_float(plain)
            if lost:
                self._explain(value, path, ())
        except PayloadError:
            raise
        except Exception:  # noqa: BLE001 - the slow way finds out what it was, and where
            data = self._write_slowly(value, path)
        if len(data) > self.payload_bytes_max:
            raise PayloadTooLargeError(path, len(data), self.payload_bytes_max)
        return data.decode()

    def _write_slowly(self, value: Any, path: str) -> bytes:
        """Write integers beyond 64 bits and deep values, and refuse what cannot be written."""
        try:
            return _dumped(self.converter.unstructure(value))
        except Exception as error:
            self._explain(value, path, ())
            raise _unwritable(value, path, error) from error

    def _explain(self, value: Any, path: str, holders: tuple[int, ...]) -> None:
        """Find the innermost part that cannot be written, in the user's words."""
        if id(value) in holders:
            raise PayloadError(path, _type_name(type(value)), "contains itself")
        try:
            for part, inner in _parts(value):
                self._explain(inner, path + part, (*holders, id(value)))
            _dumped(self.converter.unstructure(value))
        except PayloadError:
            raise
        except Exception as error:
            raise _unwritable(value, path, error) from error

    def read(self, payload: Payload, type_: Any, path: str) -> Any:
        """The value of that type; raises `PayloadError` that tells all that does not fit."""
        if payload is None:
            return self.structure(None, type_, path)
        try:
            value = orjson.loads(payload) if len(payload) <= _DIGITS_MAX else loads(payload)
        except (ValueError, RecursionError) as error:
            raise PayloadError(path, _type_name(type_), f"is not JSON: {error}") from error
        if type_ is Any or (type(value) is type_ and type_ in self._as_they_are):
            return value
        return self.structure(value, type_, path)

    def structure(self, value: Any, type_: Any, path: str) -> Any:
        """Plain JSON as that type; raises `PayloadError`."""
        if type_ is Any or type_ is object:
            return value
        try:
            reader = self._readers.get(type_)
            if reader is None:
                known: Any = type(None) if type_ is None else type_
                reader = self._readers[type_] = self.converter.get_structure_hook(known)
                if reader is STRICTLY.get(known):
                    self._as_they_are.add(type_)
            return reader(value, type_)
        except PayloadError:
            raise
        except Exception as error:
            raise PayloadError(path, _type_name(type_), _problems(error, path)) from error


def checked_text(text: str, path: str) -> str:
    """Return the text when it can be stored; raises `PayloadError` otherwise."""
    given = cast("object", text)
    if not isinstance(given, str):
        raise PayloadError(path, _type_name(type(given)), f"is a text, not {given!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _unwritable(text, path, error) from error
    return text


def loads(text: str) -> Any:
    """JSON as plain values, with integers of any size."""
    if len(text) > _DIGITS_MAX and _LONG_NUMBER in text.encode().translate(_DIGITS_TO_ZEROS):
        return json.loads(text, parse_constant=_refuse_constant)
    return orjson.loads(text)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _dumped(plain: Any) -> bytes:
    """The JSON of plain values, by the writer that turns nothing into something else."""
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if _holds_other_key(plain):
        raise TypeError("it has a key that is not a text")
    return text.encode()


def _holds_lost_float(plain: Any) -> bool:
    """JSON has no NaN and no infinity, and the fast writer turns them into null."""
    found = [plain]
    for item in found:
        cls: object = item.__class__
        if cls is dict:
            found.extend(item.values())
        elif cls is list or cls is tuple:
            found.extend(item)
        elif cls is float and not math.isfinite(item):
            return True
    return False


def _holds_other_key(plain: Any) -> bool:
    """Whether there is a key that the slow writer would turn into a text by its own rules."""
    found = [plain]
    for item in found:
        if _is_mapping(item):
            if not all(isinstance(key, str) for key in item):
                return True
            found.extend(item.values())
        elif _is_sequence(item):
            found.extend(item)
    return False


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value consists of, with the path to each."""
    if _is_mapping(value):
        for key, item in value.items():
            yield f".{key}", item
    elif _is_sequence(value) or _is_set(value):
        for index, item in enumerate(value):
            yield f"[{index}]", item
    else:
        for name in fields_of(type(value)):
            yield f".{name}", getattr(value, name)


def _is_mapping(value: Any) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_sequence(value: Any) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(value, (list, tuple))


def _is_set(value: Any) -> TypeGuard[AbstractSet[Any]]:
    return isinstance(value, AbstractSet)


def _unwritable(value: Any, path: str, error: Exception) -> PayloadError:
    name = _type_name(type(value))
    match error:
        case UnicodeEncodeError():
            return PayloadError(path, name, f"is not valid Unicode: {error.reason}")
        case RecursionError() if type(value) in PLAIN or any(_parts(value)):
            return PayloadError(path, name, "contains itself, or is nested too deeply")
        case _ if isinstance(value, float):
            return PayloadError(path, name, f"{value} is not JSON")
        case _ if type(value) in PLAIN or any(_parts(value)):
            return PayloadError(path, name, f"cannot be written: {error}")
        case _:
            advice = (
                "is not JSON; use an attrs class, a dataclass or plain values, "
                "or add a hook to the App's converter"
            )
            cause = "" if isinstance(error, RecursionError) else f" ({error})"
            return PayloadError(path, name, f"{advice}{cause}")


def _problems(error: Exception, path: str) -> str:
    lines = transform_error(error, path)
    return "; ".join(lines) if lines else str(error)


def _type_name(type_: Any) -> str:
    return getattr(type_, "__qualname__", None) or str(type_)
