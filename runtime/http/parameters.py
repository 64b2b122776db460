"""Parameters: each knows its name, how it is read, and what to say when it cannot be."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from attrs import field, frozen

from perdure.actors.status import Status

from .refusal import BAD_REQUEST, Refusal

T = TypeVar("T")

Query = Mapping[str, list[str]]
"""The values of each parameter, by its name in lower case; empty ones are left out."""


@frozen
class Parameter(Generic[T]):
    """A parameter of the query or a header. `read` gives its value or raises `Refusal`."""

    name: str
    about: str
    kind: str
    """`boolean`, `integer`, `number`, `date-time`, `string`, `list` or `texts`."""
    default: T
    parse: Callable[[str], T] = field(repr=False)
    expects: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    least: float | None = None
    pattern: str | None = None
    noun: str = "query parameter"
    once: bool = False
    """Whether it is refused when it is given several times; else the last one counts."""

    def read(self, query: Query) -> T:
        """The value, or the default when it was not given."""
        given = query.get(self.name.lower())
        if not given:
            if self.required:
                raise Refusal(BAD_REQUEST, f"the {self.noun} {self.name} is required")
            return self.default
        if self.once and len(given) > 1:
            times = f"given once at most, not {len(given)} times"
            raise Refusal(BAD_REQUEST, f"the {self.noun} {self.name} is {times}")
        text = ",".join(given) if self.kind == "list" else given[-1]
        try:
            return self.parse(text)
        except (ValueError, OverflowError) as error:
            raise Refusal(
                BAD_REQUEST, f"the {self.noun} {self.name} is {self.expects}, not {text!r}"
            ) from error


@frozen
class Repeated(Parameter[T]):
    """A parameter that counts as often as it is given."""

    parse_each: Callable[[Sequence[str]], T] = field(kw_only=True, repr=False)

    def read(self, query: Query) -> T:
        """What all of it says together."""
        given = query.get(self.name.lower(), [])
        try:
            return self.parse_each(given)
        except ValueError as error:
            raise Refusal(
                BAD_REQUEST, f"the {self.noun} {self.name} is {self.expects}, not {error}"
            ) from error


def flag(name: str, about: str, *, default: bool = False) -> Parameter[bool]:
    """`true` or `false`, in any case."""
    return Parameter(name, about, "boolean", default, _bool, "true or false")


def text(
    name: str, about: str, *, required: bool = False, once: bool = False
) -> Parameter[str | None]:
    """Any text."""
    return Parameter[str | None](name, about, "string", None, str, required=required, once=once)


def seconds(name: str, about: str) -> Parameter[float | None]:
    """A number of seconds."""
    return Parameter[float | None](
        name, about, "number", None, _seconds, "a number of seconds that is not negative", least=0
    )


def whole(name: str, about: str, *, default: int, least: int) -> Parameter[int]:
    """A whole number of at least that size."""

    def parse(given: str) -> int:
        number = int(given)
        if number < least:
            raise ValueError(given)
        return number

    expects = f"a whole number of at least {least}"
    return Parameter(name, about, "integer", default, parse, expects, least=least)


def header(
    name: str, about: str, parse: Callable[[str], T], expects: str, *, pattern: str | None = None
) -> Parameter[T | None]:
    """A header that need not be there."""
    return Parameter[T | None](
        name, about, "string", None, parse, expects, pattern=pattern, noun="header"
    )


def point_in_time(
    name: str, about: str, *, required: bool = False, noun: str = "query parameter"
) -> Parameter[datetime | None]:
    """A time in ISO 8601; without an offset it is UTC."""
    expects = "a time as ISO 8601, such as 2030-01-31T08:00:00Z"
    return Parameter[datetime | None](
        name, about, "date-time", None, _datetime, expects, required=required, noun=noun
    )


def statuses(
    name: str, about: str, *, strict: bool = False, sensible: Collection[Status] = tuple(Status)
) -> Parameter[frozenset[Status]]:
    """Statuses, comma separated or repeated; unknown ones are ignored unless `strict`."""
    known = {status.label.lower(): status for status in Status}

    def parse(given: str) -> frozenset[Status]:
        words = [word.strip().lower() for word in given.split(",") if word.strip()]
        if strict and any(word not in known for word in words):
            raise ValueError(given)
        return frozenset(known[word] for word in words if word in known)

    labels = tuple(status.label for status in sorted(sensible))
    expects = f"some of {', '.join(labels)}"
    choices = labels if strict else ()
    return Parameter(name, about, "list", frozenset[Status](), parse, expects, choices=choices)


def words(name: str, about: str, choices: tuple[str, ...]) -> Parameter[frozenset[str]]:
    """Some of the choices, comma separated or repeated."""
    spelled = {choice.lower(): choice for choice in choices}

    def parse(given: str) -> frozenset[str]:
        wanted = [word.strip().lower() for word in given.split(",") if word.strip()]
        if any(word not in spelled for word in wanted):
            raise ValueError(given)
        return frozenset(spelled[word] for word in wanted)

    expects = f"some of {', '.join(choices)}"
    return Parameter(name, about, "list", frozenset[str](), parse, expects, choices=choices)


def various(name: str, about: str) -> Parameter[frozenset[str]]:
    """Any texts, each given by itself, as they may have commas."""
    none = frozenset[str]()
    return Repeated(name, about, "texts", none, lambda _: none, parse_each=frozenset)


def texts_by_name(name: str, about: str) -> Parameter[dict[str, str]]:
    """Pairs, each given as `key=value`."""

    def parse(given: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for item in given:
            key, separator, value = item.partition("=")
            if not separator or not key:
                raise ValueError(repr(item))
            found[key] = value
        return found

    none = dict[str, str]()
    return Repeated(
        name,
        about,
        "texts",
        none,
        lambda _: none,
        "key=value",
        pattern="^[^=]+=[^=]*$",
        parse_each=parse,
    )


AnyParameter = Parameter[Any]


def _bool(given: str) -> bool:
    match given.strip().lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise ValueError(given)


def _seconds(given: str) -> float:
    number = float(given)
    if not 0 <= number < math.inf:
        raise ValueError(given)
    return number


def _datetime(given: str) -> datetime:
    try:
        return datetime.fromisoformat(given.strip())
    except ValueError:
        # A plus sign that the caller did not escape has become a space.
        head, _, offset = given.strip().rpartition(" ")
        return datetime.fromisoformat(f"{head}+{offset}")
