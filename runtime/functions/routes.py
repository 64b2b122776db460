"""Route templates of HTTP triggers, in the language of ASP.NET that the Functions host speaks.

1.  Segments are literal, in any case, or have parameters: `{id}`, `{id:int}` with constraints,
    `{id?}` that may be absent, `{id=7}` with a default, and `{*rest}` for all that is left.
2.  A segment may mix both: `{name}.{extension}`. `{{` and `}}` are braces.
3.  Of several templates that match, the one wins that is literal where the others are not; a
    parameter with a constraint goes before one without, and `{*rest}` is last.
"""

import re
from collections.abc import Iterator

from attrs import frozen

from .errors import FunctionsError
from .route_constraints import Test, constraint


@frozen
class Parameter:
    """One parameter of a template."""

    name: str
    constraints: str
    """As the template has them."""
    tests: tuple[Test, ...]
    optional: bool
    default: str | None
    catches_all: bool


@frozen
class Route:
    """A template that can be matched against paths."""

    template: str
    pattern: re.Pattern[str]
    parameters: tuple[Parameter, ...]
    precedence: tuple[int, ...]
    """Smaller is tried first."""

    @property
    def shape(self) -> tuple[str, ...]:
        """Equal for two templates that match the same paths, as far as can be told."""
        return self.pattern.pattern.casefold(), *(p.constraints for p in self.parameters)

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters of a path without its first slash, or None."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        values: dict[str, str] = {}
        for number, parameter in enumerate(self.parameters):
            value = found[f"p{number}"] or parameter.default
            if value is None:
                continue
            if not all(test(value) for test in parameter.tests):
                return None
            values[parameter.name] = value
        return values


def parse_route(template: str) -> Route:
    """Raises `FunctionsError` for a template that cannot be."""
    parameters: list[Parameter] = []
    pattern, precedence = "", list[int]()
    segments = template.strip("/").split("/") if template.strip("/") else []
    for position, segment in enumerate(_whole_segments(template, segments)):
        before = len(parameters)
        inner = "".join(_parts(template, segment, parameters))
        new = parameters[before:]
        _check_places(template, new, segment, position == len(segments) - 1)
        slash = "/" if position else ""
        alone = len(new) == 1 and segment.startswith("{") and segment.endswith("}")
        absent = alone and (new[0].optional or new[0].default is not None or new[0].catches_all)
        pattern += f"(?:{slash}{inner})?" if absent else f"{slash}{inner}"
        precedence.append(_rank(new, alone=alone))
    names = [parameter.name.casefold() for parameter in parameters]
    if len(set(names)) < len(names):
        raise FunctionsError(f"the route {template!r} has two parameters of one name")
    compiled = re.compile(f"{pattern}/?", re.IGNORECASE)
    return Route(template, compiled, tuple(parameters), tuple(precedence))


def _whole_segments(template: str, pieces: list[str]) -> Iterator[str]:
    """Segments; a slash inside braces, as in a constraint's expression, parts nothing."""
    held = ""
    for piece in pieces:
        held = f"{held}/{piece}" if held else piece
        if held.replace("{{", "").count("{") <= held.replace("}}", "").count("}"):
            yield held
            held = ""
    if held:
        raise FunctionsError(f"the route {template!r} has a brace that is not closed")


def _rank(new: list[Parameter], *, alone: bool) -> int:
    if not new:
        return 1
    if new[0].catches_all:
        return 4 if new[0].tests else 5
    return 2 if new[0].tests or not alone else 3


def _check_places(template: str, new: list[Parameter], segment: str, last: bool) -> None:  # noqa: FBT001
    if any(p.catches_all for p in new) and not (last and len(new) == 1 and segment[0] == "{"):
        raise FunctionsError(f"in the route {template!r} only the last segment can catch all")


_PARAMETER = re.compile(
    r"(?P<all>\*{0,2})(?P<name>[^:=?*/{}]+)(?P<tests>(?::(?:[^:=?()]+(?:\(.*?\))?))*)"
    r"(?:=(?P<default>.*?))?(?P<optional>\?)?"
)
_PIECE = re.compile(r"\{\{|\}\}|\{((?:[^{}]|\{\{|\}\})*)\}|[^{}]")


def _parts(template: str, segment: str, parameters: list[Parameter]) -> Iterator[str]:
    position, dot = 0, ""
    for piece in _PIECE.finditer(segment):
        if piece.start() != position:
            break
        position = piece.end()
        if piece[1] is None:
            yield dot
            dot = re.escape(piece[0][:1])
            continue
        parameter = _parameter(template, piece[1].replace("{{", "{").replace("}}", "}"))
        group = f"(?P<p{len(parameters)}>{_reach(parameter, dot)})"
        yield f"(?:{dot}{group})?" if parameter.optional and dot else f"{dot}{group}"
        dot = ""
        parameters.append(parameter)
    yield dot
    if position != len(segment):
        raise FunctionsError(f"the route {template!r} has a brace too many")


def _reach(parameter: Parameter, before: str) -> str:
    """Which texts a parameter takes; the one before an extension takes all other dots."""
    if parameter.catches_all:
        return ".*"
    return "[^/.]+" if before == re.escape(".") else "[^/]+?"


def _parameter(template: str, text: str) -> Parameter:
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise FunctionsError(f"{{{text}}} in the route {template!r} is no parameter")
    tests = re.findall(r":([^:=?()]+)(?:\((.*?)\))?(?=:|$)", found["tests"])
    return Parameter(
        found["name"].strip(),
        found["tests"],
        tuple(constraint(template, name.strip(), argument) for name, argument in tests),
        found["optional"] is not None,
        found["default"],
        bool(found["all"]),
    )
