"""What becomes of values on their way through JSON."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, Generic, Literal, NewType, NotRequired, TypedDict, TypeVar
from uuid import UUID

import pytest
from attrs import frozen
from cattrs import Converter

from perdure.actors.app import App
from perdure.actors.codec import Codec
from perdure.actors.conventions import default_converter
from perdure.actors.errors import PayloadError, PayloadTooLargeError

T = TypeVar("T")
Cents = NewType("Cents", int)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@frozen
class Visit:
    when: datetime


@frozen
class Order:
    items: list[Visit]
    amount: int = 0
    note: Any = None


@frozen
class Gift:
    giver: str
    amount: int = 0


@frozen
class Box(Generic[T]):
    content: T


@dataclass
class Point:
    x: int
    y: float = 0.5


class Level(IntEnum):
    LOW = 1


class Mood(StrEnum):
    GOOD = "good"


@frozen
class Numbered:
    rows: dict[int, str]


@frozen
class ByNumber:
    value: int


@frozen
class ByText:
    value: str


@frozen
class Add:
    kind: Literal["add"]
    value: int = 0


@frozen
class Drop:
    kind: Literal["drop"]
    value: int = 0


@frozen
class Short:
    giver: str


@frozen
class Tree:
    children: list["Tree"]


class Address(TypedDict):
    street: str
    door: NotRequired[int]


WHEN = datetime(2024, 2, 29, 12, 30, 15, 250, tzinfo=UTC)
KEY = UUID(int=7)

ROUND_TRIPS: list[tuple[Any, Any, str]] = [
    (5, int, "5"),
    (2**64 - 1, int, "18446744073709551615"),
    ("null", str, '"null"'),
    ("Zürich", str, '"Zürich"'),
    (1.5, float, "1.5"),
    (True, bool, "true"),
    (WHEN, datetime, '"2024-02-29T12:30:15.000250+00:00"'),
    (date(2024, 2, 29), date, '"2024-02-29"'),
    (time(12, 30), time, '"12:30:00"'),
    (timedelta(minutes=1, microseconds=1), timedelta, "60.000001"),
    (Decimal("1.10"), Decimal, '"1.10"'),
    (KEY, UUID, f'"{KEY}"'),
    (b"\x00\xff", bytes, '"AP8="'),
    (Colour.RED, Colour, '"red"'),
    ("a", Literal["a", "b"], '"a"'),
    (Cents(3), Cents, "3"),
    ((1, "a"), tuple[int, str], '[1,"a"]'),
    ((1, 2, 3), tuple[int, ...], "[1,2,3]"),
    ({4}, set[int], "[4]"),
    (frozenset({4}), frozenset[int], "[4]"),
    ([{4}], list[set[int]], "[[4]]"),
    ({"a": None}, dict[str, int | None], '{"a":null}'),
    ({Colour.RED: 1}, dict[Colour, int], '{"red":1}'),
    ({KEY: 1}, dict[UUID, int], f'{{"{KEY}":1}}'),
    (Point(1), Point, '{"x":1,"y":0.5}'),
    ({"street": "High"}, Address, '{"street":"High"}'),
    (Box(Gift("eve")), Box[Gift], '{"content":{"giver":"eve","amount":0}}'),
    (Gift("eve"), Order | Gift, '{"giver":"eve","amount":0}'),
    ([1, [2, {"z": None}]], Any, '[1,[2,{"z":null}]]'),
    (2**70, int, "1180591620717411303424"),
    (-(2**70), Any, "-1180591620717411303424"),
    ([2**64, "a"], list[Any], '[18446744073709551616,"a"]'),
    (Level.LOW, Level, "1"),
    (Mood.GOOD, Mood, '"good"'),
    ({"a": Level.LOW}, dict[str, Level], '{"a":1}'),
    (1, int | str, "1"),
    ("1", int | str, '"1"'),
    (1, float | int, "1"),
    (1.0, int | float, "1.0"),
    (WHEN, datetime | int, '"2024-02-29T12:30:15.000250+00:00"'),
    (5, datetime | int, "5"),
    (date(2024, 2, 29), datetime | date, '"2024-02-29"'),
    ("soon", datetime | str, '"soon"'),
    ([None], list[int | str | None], "[null]"),
    (0.5, float | None, "0.5"),
    (ByNumber(1), ByText | ByNumber, '{"value":1}'),
    (Drop("drop"), Add | Drop, '{"kind":"drop","value":0}'),
    (Short("eve"), Gift | Short, '{"giver":"eve"}'),
    (Gift("eve", 1), Short | Gift, '{"giver":"eve","amount":1}'),
    (Gift("eve", 1), dict[str, Any] | Gift, '{"giver":"eve","amount":1}'),
    ([1, "a"], list[object], '[1,"a"]'),
    (Counter({3: 2}), Counter[int], '{"3":2}'),
    (defaultdict(list, {3: [2]}), defaultdict[int, list[int]], '{"3":[2]}'),
    ({3: 2}, Mapping[int, int], '{"3":2}'),
    (Numbered({1: "a"}), Numbered, '{"rows":{"1":"a"}}'),
    ({-1: {2: 3}}, dict[int, dict[int, int]], '{"-1":{"2":3}}'),
    ({Level.LOW: 1}, dict[Level, int], '{"1":1}'),
    ({date(2024, 2, 29): 1}, dict[date, int], '{"2024-02-29":1}'),
    (Tree([Tree([])]), Tree, '{"children":[{"children":[]}]}'),
]


@pytest.fixture
def codec() -> Codec:
    return Codec()


@pytest.mark.parametrize(("value", "type_", "text"), ROUND_TRIPS)
def test_a_value_comes_back_as_its_annotation_says(
    codec: Codec, value: Any, type_: Any, text: str
) -> None:
    assert codec.write(value, "input") == text
    read = codec.read(text, type_, "input")
    assert read == value
    assert type(read) is type(value)


def test_none_has_no_payload(codec: Codec) -> None:
    assert codec.write(None, "input") is None


@pytest.mark.parametrize("type_", [Any, object, None, type(None), int | None])
def test_no_payload_is_none_where_none_is_allowed(codec: Codec, type_: Any) -> None:
    assert codec.read(None, type_, "input") is None


@pytest.mark.parametrize("type_", [int, str, bool, float])
def test_no_payload_is_refused_where_none_is_not_allowed(codec: Codec, type_: type) -> None:
    with pytest.raises(PayloadError, match=f"expected {type_.__name__}") as caught:
        codec.read(None, type_, "input")
    assert (caught.value.path, caught.value.type_name) == ("input", type_.__name__)


@pytest.mark.parametrize(
    ("text", "type_"), [('"5"', int), ("5", str), ("1", bool), ("true", int), ("1.5", int)]
)
def test_json_types_are_not_turned_into_each_other(codec: Codec, text: str, type_: type) -> None:
    with pytest.raises(PayloadError, match=f"expected {type_.__name__}"):
        codec.read(text, type_, "input")


def test_a_whole_number_is_a_float_as_well(codec: Codec) -> None:
    value = codec.read("1", float, "input")
    assert value == 1.0
    assert type(value) is float


@pytest.mark.parametrize(
    ("value", "path", "type_name"),
    [
        (object(), "input", "object"),
        ({"k": [1, object()]}, "input.k[1]", "object"),
        (Order([], note=object()), "input.note", "object"),
        (Order, "input", "type"),
        (print, "input", "builtin_function_or_method"),
        ([math.nan], "input[0]", "float"),
        (Order([], note=math.inf), "input.note", "float"),
        ({"k": {(1, 2): 2}}, "input.k", "dict"),
        ({"k": {1.5: 2}}, "input.k", "dict"),
        ({"k": {None: 2}}, "input.k", "dict"),
        ({"k": {1: 2, "1": 3}}, "input.k", "dict"),
        ({"\ud800": 1}, "input", "dict"),
        (Tree([Tree([]), object()]), "input.children[1]", "object"),  # type: ignore[list-item]
        (Point(1, {"a": object()}), "input.y.a", "object"),  # type: ignore[arg-type]
        ([2**70, {1, math.nan}], "input[1][1]", "float"),
        ("\ud800", "input", "str"),
    ],
)
def test_what_json_cannot_hold_is_named_with_its_path(
    codec: Codec, value: Any, path: str, type_name: str
) -> None:
    with pytest.raises(PayloadError) as caught:
        codec.write(value, "input")
    assert (caught.value.path, caught.value.type_name) == (path, type_name)


def test_a_value_that_contains_itself_is_refused(codec: Codec) -> None:
    circle: list[Any] = [1]
    circle.append({"again": circle})
    with pytest.raises(PayloadError, match="contains itself") as caught:
        codec.write(circle, "input")
    assert caught.value.path == "input[1].again"


def test_deep_values_are_written_or_refused(codec: Codec) -> None:
    nested: Any = 1
    for _ in range(300):
        nested = [nested]
    assert codec.read(codec.write(nested, "input"), Any, "input") == nested
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(PayloadError, match="nested too deeply"):
        codec.write(nested, "input")


@pytest.mark.parametrize(
    "text", ["{bad", "", "NaN", "[Infinity]", "[NaN,10000000000000000000]", "[" * 5000]
)
def test_text_that_is_not_json_is_refused(codec: Codec, text: str) -> None:
    for type_ in (Any, float):
        with pytest.raises(PayloadError, match="is not JSON"):
            codec.read(text, type_, "input")


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ('"abc"', list[str]),
        ('"abc"', set[str]),
        ('"abc"', tuple[str, ...]),
        ('{"a":1}', list[str]),
        ('["a"]', dict[str, int]),
        ('"abc"', Point),
        ('["kind"]', Add),
        ('"abc"', Address),
    ],
)
def test_arrays_and_objects_are_not_taken_for_others(codec: Codec, text: str, type_: Any) -> None:
    with pytest.raises(PayloadError, match="expected"):
        codec.read(text, type_, "input")


def test_a_value_outside_of_a_union_is_refused(codec: Codec) -> None:
    with pytest.raises(PayloadError, match="fits none of int, str"):
        codec.read("1.5", int | str, "input")
    with pytest.raises(PayloadError, match=r"input\.value"):
        codec.read('{"value":1.5}', ByText | ByNumber, "input")


def test_the_order_of_a_union_decides_between_texts(codec: Codec) -> None:
    text = '"2024-02-29"'
    assert codec.read(text, str | date, "input") == "2024-02-29"
    assert codec.read(text, date | str, "input") == date(2024, 2, 29)


def test_keys_without_a_type_come_back_as_texts(codec: Codec) -> None:
    text = codec.write({1: {KEY: 2}, Level.LOW + 1: 3}, "input")
    assert codec.read(text, Any, "input") == {"1": {str(KEY): 2}, "2": 3}


def test_a_field_and_a_value_of_one_type_are_alike(codec: Codec) -> None:
    assert codec.read('{"rows":{"1":"a"}}', Numbered, "input") == Numbered({1: "a"})
    assert codec.read('{"1":"a"}', dict[int, str], "input") == {1: "a"}
    with pytest.raises(PayloadError, match="expected an object"):
        codec.read('"text"', dict[int, str], "input")


def test_a_long_row_of_digits_stays_a_text(codec: Codec) -> None:
    long = {"id": "1" * 40, "ratio": 0.1234567890123456789}
    assert codec.read(codec.write(long, "input"), Any, "input") == long


def test_a_float_that_json_lacks_never_becomes_null(codec: Codec) -> None:
    for lost in (math.nan, math.inf, -math.inf):
        with pytest.raises(PayloadError, match="is not JSON"):
            codec.write({"a": None, "b": [lost]}, "input")


def test_all_that_does_not_fit_is_told_at_once(codec: Codec) -> None:
    text = '{"items":[{"when":"soon"},{}],"amount":"x"}'
    with pytest.raises(PayloadError) as caught:
        codec.read(text, Order, "input")
    for place in ("input.items[0].when", "input.items[1].when", "input.amount"):
        assert place in caught.value.problem


def test_a_payload_over_the_cap_is_refused_in_bytes() -> None:
    codec = Codec(payload_bytes_max=4)
    assert codec.write("é", "input") == '"é"'
    with pytest.raises(PayloadTooLargeError) as caught:
        codec.write("éé", "input")
    assert (caught.value.what, caught.value.size, caught.value.size_max) == ("input", 6, 4)


def test_a_hook_of_the_users_converter_is_obeyed() -> None:
    converter = default_converter()
    write: Callable[[Colour], str] = lambda colour: colour.name  # noqa: E731 - it needs a type
    converter.register_unstructure_hook(Colour, write)
    converter.register_structure_hook(Colour, lambda text, _: Colour[text])
    codec = Codec(converter)
    assert codec.write([Colour.BLUE], "input") == '["BLUE"]'
    assert codec.read('["BLUE"]', list[Colour], "input") == [Colour.BLUE]


class Model:
    """As a library for models has them: neither attrs nor a dataclass."""

    def __init__(self, size: int) -> None:
        self.size = size


@frozen
class Parcel:
    content: Model
    others: list[Model]


def test_a_hook_for_foreign_models_reaches_nested_fields() -> None:
    converter = default_converter()
    write: Callable[[Model], dict[str, int]] = vars
    converter.register_unstructure_hook(Model, write)
    converter.register_structure_hook(Model, lambda pairs, cls: cls(**pairs))
    codec = App(converter=converter).codec
    text = codec.write(Parcel(Model(1), [Model(2)]), "input")
    assert text == '{"content":{"size":1},"others":[{"size":2}]}'
    read = codec.read(text, Parcel, "input")
    assert (read.content.size, read.others[0].size) == (1, 2)


def test_codecs_do_not_share_a_converter() -> None:
    first, second = Codec(), Codec()
    assert isinstance(first.converter, Converter)
    assert first.converter is not second.converter
