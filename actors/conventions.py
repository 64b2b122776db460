"""What JSON becomes which value and back: the conventions of `codec.py`, as a cattrs converter."""

import base64
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from inspect import isabstract
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    TypeGuard,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)
from uuid import UUID

import attrs
from cattrs import BaseConverter, Converter
from cattrs.gen import (
    make_mapping_structure_fn,  # pyright: ignore[reportUnknownVariableType]  # half typed there
    make_mapping_unstructure_fn,
)

Reader = Callable[[Any, Any], Any]
Writer = Callable[[Any], Any]

PLAIN = frozenset({str, int, bool, float, NoneType})
"""The classes of values that are JSON already."""

_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
_TEXT_LIKE = (str, bytes, bytearray, memoryview)
_WRONG_TAG = 1000


def default_converter() -> Converter:
    """A cattrs converter with the conventions of payloads; add hooks of your own to it."""
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
    converter.register_structure_hook(NoneType, _only_none)
    for plain, strictly in STRICTLY.items():
        converter.register_structure_hook(plain, strictly)
    converter.register_structure_hook_func(_is_object, lambda v, _: v)
    converter.register_unstructure_hook_factory(_is_object, _object_writer)
    converter.register_unstructure_hook_factory(_is_mapping, _mapping_writer)
    converter.register_unstructure_hook_factory(_is_bare_list, _list_writer)
    converter.register_unstructure_hook_factory(_is_attrs, _attrs_writer)
    converter.register_structure_hook_factory(_is_shaped, _shaped_reader)
    converter.register_structure_hook_factory(_is_choice, _choice_reader)
    return converter


def _from_iso(value: Any, cls: Any) -> Any:
    if isinstance(value, cls):
        return value
    return cls.fromisoformat(value)


def _only_none(value: Any, _: Any) -> None:
    if value is not None:
        raise TypeError(f"expected nothing, got {value!r:.60}")


def _strictly(plain: type[Any]) -> Reader:
    """JSON's own types are not turned into each other, but a whole number is a float as well."""

    def read(value: Any, cls: Any) -> Any:
        if type(value) is plain or (plain is float and type(value) is int):
            return cls(value)
        raise TypeError(f"expected {cls.__name__}, got {type(value).__name__} {value!r:.60}")

    return read


STRICTLY: dict[type[Any], Reader] = {plain: _strictly(plain) for plain in (int, float, str, bool)}


def _is_object(type_: Any) -> bool:
    return type_ is object


def _object_writer(_: Any, converter: Converter) -> Writer:
    """What is annotated as any object is written as what it is."""

    def write(value: Any) -> Any:
        # A bare object is nothing else: asking again would have no end.
        return value if type(value) is object else converter.unstructure(value)

    return write


# Arrays and objects


def _shape(type_: Any) -> type[Any] | None:
    """What such a value is in JSON: a list, a dict, or neither for certain."""
    origin = _class_of(type_)
    if origin is None or _is_of(origin, *_TEXT_LIKE):
        return None
    if attrs.has(origin) or is_dataclass(origin) or _is_of(origin, Mapping):
        return dict
    return list if _is_of(origin, Collection) else None


def _class_of(type_: Any) -> type[Any] | None:
    """The class of a type, without its arguments."""
    origin = get_origin(type_) or type_
    return origin if _is_class(origin) else None


def _is_class(type_: Any) -> TypeGuard[type[Any]]:
    return isinstance(type_, type)


def _is_of(cls: type[Any], *bases: type[Any]) -> bool:
    return issubclass(cls, bases)


def _is_dict(value: Any) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict


_inside: ContextVar[tuple[Any, ...]] = ContextVar("_inside", default=())
"""Of which types a reader is being made, so that its inner one can be asked for."""


def _is_shaped(type_: Any) -> bool:
    return _shape(type_) is not None and type_ not in _inside.get()


def _shaped_reader(type_: Any, own: BaseConverter) -> Reader:
    """The converter's reader, which would iterate over a text and look for keys in a list."""
    inner = _inner_reader(type_, own)
    shape = _shape(type_)
    wanted = "an object" if shape is dict else "a list"
    key = _key_type(type_)

    def read(value: Any, asked: Any) -> Any:
        if type(value) is not shape:
            shown = getattr(asked, "__name__", str(asked))
            got = f"{type(value).__name__} {value!r:.60}"
            raise TypeError(f"expected {wanted} for {shown}, got {got}")
        return inner(value, asked)

    def read_keyed(value: Any, asked: Any) -> Any:
        if _is_dict(value):
            value = _with_numbers(value, key, own)
        return read(value, asked)

    return read if key is str else read_keyed


def _inner_reader(type_: Any, own: BaseConverter) -> Reader:
    _resolve(type_)
    origin = _class_of(type_)
    if origin is not None and _is_mapping(type_) and not _is_of(origin, defaultdict):
        # The converter would remember its own reader of this mapping, instead of the outer one.
        if _is_of(origin, Counter):
            return make_mapping_structure_fn(type_, own, origin, val_type=int)
        return make_mapping_structure_fn(type_, own, dict if isabstract(origin) else origin)
    token = _inside.set((*_inside.get(), type_))
    try:
        reader: Reader = own.get_structure_hook(type_, cache_result=False)
    finally:
        _inside.reset(token)
    return reader


def _is_attrs(type_: Any) -> bool:
    cls = _class_of(type_)
    return cls is not None and attrs.has(cls)


def _attrs_writer(type_: Any, own: Converter) -> Writer:
    _resolve(type_)
    write: Writer = own.gen_unstructure_attrs_fromdict(type_)
    return write


def _resolve(type_: Any) -> None:
    """Find the classes named inside annotations, as in `list["Tree"]`; cattrs leaves these out."""
    cls = _class_of(type_)
    if cls is not None and attrs.has(cls):
        with suppress(NameError):
            attrs.resolve_types(cls)


def _key_type(type_: Any) -> Any:
    """The annotated type of a mapping's keys; `str` where texts stay texts."""
    arguments = get_args(type_)
    if not arguments or not _is_mapping(type_):
        return str
    key = arguments[0]
    return str if key in (Any, object) or isinstance(key, TypeVar) else key


def _with_numbers(pairs: Mapping[str, Any], key: Any, own: BaseConverter) -> dict[Any, Any]:
    """The pairs, with each key that was a number being one again."""
    reader: Reader = own.get_structure_hook(key)
    return {_number(text, key, reader): value for text, value in pairs.items()}


def _number(text: str, key: Any, reader: Reader) -> Any:
    if _WHOLE_NUMBER.fullmatch(text) is None:
        return text
    try:
        number = int(text)
        reader(number, key)
    except Exception:  # noqa: BLE001 - then these keys are no numbers, whatever their reader says
        return text
    return number


def _is_mapping(type_: Any) -> bool:
    origin = _class_of(type_)
    return origin is not None and _is_of(origin, Mapping) and not is_typeddict(origin)


def _mapping_writer(type_: Any, own: BaseConverter) -> Writer:
    def key_text(key: Any, _: Any = None) -> Any:
        if type(key) is str:
            return key
        plain = own.unstructure(key)
        if type(plain) is int:
            return str(plain)
        if type(plain) is not str:
            raise TypeError(f"key {key!r:.60} cannot be a text")
        return plain

    write: Writer = make_mapping_unstructure_fn(type_, own, dict, key_text)
    if not get_args(type_):
        write = _bare_mapping_writer(key_text, own.unstructure)

    def checked(pairs: Any) -> Any:
        written = write(pairs)
        if len(written) != len(pairs):
            raise TypeError("two of its keys become the same text")
        return written

    return checked


def _bare_mapping_writer(key_text: Writer, unstructure: Writer) -> Writer:
    def write(pairs: Mapping[Any, Any]) -> dict[str, Any]:
        return {
            key if type(key) is str else key_text(key): value
            if type(value) in PLAIN
            else unstructure(value)
            for key, value in pairs.items()
        }

    return write


def _is_bare_list(type_: Any) -> bool:
    return type_ is list or type_ is tuple


def _list_writer(_: Any, own: BaseConverter) -> Writer:
    unstructure: Writer = own.unstructure

    def write(items: Iterable[Any]) -> list[Any]:
        return [item if type(item) in PLAIN else unstructure(item) for item in items]

    return write


# Unions


def _is_choice(type_: Any) -> bool:
    """Whether there is more to choose from than a value or None."""
    if get_origin(type_) not in (Union, UnionType):
        return False
    return len([member for member in get_args(type_) if member is not NoneType]) > 1


def _choice_reader(type_: Any, own: BaseConverter) -> Reader:
    # `int | str` and `str | int` are equal, and would share a reader: the order is looked up late.
    choices: dict[tuple[Any, ...], Choice] = {}

    def read(value: Any, asked: Any) -> Any:
        members = get_args(asked if _is_choice(asked) else type_)
        choice = choices.get(members)
        if choice is None:
            choice = choices[members] = Choice(members, own)
        return choice.read(value)

    return read


@attrs.frozen(eq=False)
class Member:
    """One type of a union."""

    type: Any
    read: Reader
    is_mapping: bool
    keys: frozenset[str]
    """The fields of a class."""
    tags: Mapping[str, tuple[Any, ...]]
    """The literals that some of the fields may have."""

    @classmethod
    def of(cls, type_: Any, converter: BaseConverter) -> "Member":
        fields = fields_of(type_)
        tags = {n: get_args(t) for n, t in fields.items() if get_origin(t) is Literal}
        reader: Reader = converter.get_structure_hook(type_)
        return cls(type_, reader, _is_mapping(type_), frozenset(fields), tags)

    def distance(self, value: Mapping[str, Any]) -> int:
        """How far these keys are from that class's; a mapping comes after a class that has them."""
        if not self.keys:
            return int(self.is_mapping)
        wrong = sum(name in value and value[name] not in tag for name, tag in self.tags.items())
        return len(self.keys ^ value.keys()) + wrong * _WRONG_TAG


class Choice:
    """A union's members, in the order of the annotation."""

    def __init__(self, members: tuple[Any, ...], converter: BaseConverter) -> None:
        self._members = [Member.of(m, converter) for m in members if m is not NoneType]
        self._takes_none = NoneType in members
        self._unstructure: Writer = converter.unstructure

    def read(self, value: Any) -> Any:
        """The value as the member that it fits; raises what the best one had to say."""
        if value is None and self._takes_none:
            return None
        members = self._members
        if _is_dict(value):
            keys = value
            members = sorted(members, key=lambda member: member.distance(keys))
        readable: list[Any] = []
        problems: list[Exception] = []
        for member in members:
            if member.type is str and readable:
                break
            try:
                found = member.read(value, member.type)
            except Exception as problem:  # noqa: BLE001 - whatever the reader of a member raises
                problems.append(problem)
                continue
            if type(value) not in PLAIN or self._is_written_as(value, found):
                return found
            readable.append(found)
        if readable:
            return readable[0]
        if _is_dict(value):
            raise problems[0]
        names = ", ".join(getattr(m.type, "__name__", str(m.type)) for m in members)
        raise TypeError(f"fits none of {names}: {type(value).__name__} {value!r:.60}")

    def _is_written_as(self, value: Any, found: Any) -> bool:
        """An int read as a float, or a date as a midnight, should be left to another member."""
        plain = self._unstructure(found)
        return type(plain) is type(value) and bool(plain == value)


def fields_of(type_: Any) -> dict[str, Any]:
    """The types of the fields of an attrs class, a dataclass or a TypedDict, by their names."""
    cls = _class_of(type_)
    names: Iterable[str] = ()
    if cls is None:
        return {}
    if attrs.has(cls):
        names = [attribute.name for attribute in attrs.fields(cls) if attribute.init]
    elif is_dataclass(cls):
        names = [field.name for field in dataclass_fields(cls) if field.init]
    elif is_typeddict(cls):
        names = cls.__annotations__
    hints = _hints(cls) if names else {}
    return {name: hints.get(name, Any) for name in names}


def _hints(cls: type[Any]) -> dict[str, Any]:
    try:
        return get_type_hints(cls)
    except NameError:
        return {}
