"""Constraints of route parameters: which texts a `{id:int}` takes."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from .errors import FunctionsError

Test = Callable[[str], bool]

_INT = 2**31
_LONG = 2**63
_EXAMPLES = "min(n), max(n), range(n,m), length(n), minlength(n), maxlength(n), regex(...)"


def constraint(template: str, name: str, argument: str) -> Test:
    """The test of a constraint in a template; raises `FunctionsError` for an unknown one."""
    kind = name.casefold()
    if kind == "regex":
        return _expression(template, argument)
    found = _measured(kind, argument) if argument else _PLAIN.get(kind)
    if found is None:
        shown = f"{name}({argument})" if argument else name
        raise FunctionsError(
            f"the route {template!r} has the constraint {shown!r}; "
            f"known are {', '.join(_PLAIN)}, {_EXAMPLES}"
        )
    return found


def _expression(template: str, argument: str) -> Test:
    try:
        expression = re.compile(argument, re.IGNORECASE)
    except re.error as error:
        raise FunctionsError(
            f"the expression {argument!r} in the route {template!r} cannot be read: {error}"
        ) from error

    def test(value: str) -> bool:
        return expression.search(value) is not None

    return test


def _measured(kind: str, argument: str) -> Test | None:
    """A constraint with one number or two."""
    read = [_number(part.strip()) for part in argument.split(",")]
    numbers = [number for number in read if number is not None]
    if len(numbers) < len(read) or (kind, len(read)) not in _BOUNDS:
        return None
    measure, lower, upper = _BOUNDS[kind, len(read)]
    least = -_LONG if lower is None else numbers[lower]
    most = _LONG if upper is None else numbers[upper]

    def test(value: str) -> bool:
        size = measure(value)
        return size is not None and least <= size <= most

    return test


def _number(value: str) -> int | None:
    return int(value) if _PLAIN["long"](value) else None


def _whole(bound: int) -> Test:
    return lambda v: re.fullmatch(r"[+-]?[0-9]+", v) is not None and -bound <= int(v) < bound


def _reads(read: Callable[[str], object]) -> Test:
    def test(value: str) -> bool:
        try:
            read(value)
        except (ValueError, InvalidOperation):
            return False
        return True

    return test


def _name_of_file(value: str) -> str:
    return value.rpartition("/")[2].strip(".")


_PLAIN: Mapping[str, Test] = {
    "int": _whole(_INT),
    "long": _whole(_LONG),
    "bool": lambda v: v.casefold() in ("true", "false"),
    "datetime": _reads(datetime.fromisoformat),
    "decimal": _reads(Decimal),
    "double": _reads(float),
    "float": _reads(float),
    "guid": _reads(UUID),
    "alpha": lambda v: re.fullmatch(r"[a-zA-Z]*", v) is not None,
    "required": bool,
    "file": lambda v: "." in _name_of_file(v),
    "nonfile": lambda v: "." not in _name_of_file(v),
}

_BOUNDS: Mapping[tuple[str, int], tuple[Callable[[str], int | None], int | None, int | None]] = {
    ("min", 1): (_number, 0, None),
    ("max", 1): (_number, None, 0),
    ("range", 2): (_number, 0, 1),
    ("length", 1): (len, 0, 0),
    ("length", 2): (len, 0, 1),
    ("minlength", 1): (len, 0, None),
    ("maxlength", 1): (len, None, 0),
}
"""By name and how many numbers it has: what is measured, and which number is which bound."""
