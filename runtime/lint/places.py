"""The way through a function: each piece of its code with what stands around it."""

import ast
from collections.abc import Iterator

from attrs import frozen

from .bindings import FUNCTIONS
from .orchestrators import kind
from .scopes import CONTEXT, Definition, Meaning, Scope

WAITS = (ast.Await, ast.Yield, ast.YieldFrom, ast.AsyncFor, ast.AsyncWith)
"""Code that waits for something."""


@frozen(eq=False)
class Place:
    """A piece of code, the scope it is in, and the place around it."""

    node: ast.AST
    scope: Scope
    around: "Place | None"
    root: "Place | None" = None
    """The function that is being read; None: this is it."""

    @property
    def top(self) -> "Place":
        return self.root or self

    def meaning(self) -> Meaning:
        """What the code here stands for."""
        return self.scope.meaning(self.node) if isinstance(self.node, ast.expr) else None

    def above(self) -> Iterator["Place"]:
        """The places around this one, the nearest first."""
        place = self.around
        while place is not None:
            yield place
            place = place.around

    def is_called(self) -> bool:
        """Whether this is what a call calls."""
        return (
            self.around is not None
            and isinstance(self.around.node, ast.Call)
            and self.around.node.func is self.node
        )

    def outside(self, name: str) -> bool:
        """Whether a name belongs to something around the function that is being read."""
        home = self.scope.home(name)
        return home is not None and not home.inside(self.top.scope)


def opened(definition: Definition, context: str | None) -> Place:
    """The place of a function as a whole."""
    node = definition.node
    assert isinstance(node, FUNCTIONS)  # noqa: S101 - classes are opened by their methods
    return Place(node, definition.scope.within(node, context, definition.owner), None)


def places(place: Place) -> Iterator[Place]:
    """This place and all inside it, in the order of the text.

    Annotations are left out, and so are functions in it that are registered on their own.
    """
    yield place
    for node, scope in _inside(place):
        inner = scope
        if isinstance(node, FUNCTIONS):
            if kind(Definition(node, scope)) is not None:
                continue
            inner = scope.within(node)
        elif isinstance(node, ast.Lambda):
            inner = scope.within(node)
        yield from places(Place(node, inner, place, place.top))


def _inside(place: Place) -> Iterator[tuple[ast.AST, Scope]]:
    node, scope = place.node, place.scope
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            outer = scope.parent or scope
            defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
            yield from ((default, outer) for default in defaults)
            body = node.body if isinstance(node.body, list) else [node.body]
            yield from ((statement, scope) for statement in body)
        case ast.AnnAssign(target=target, value=value):
            yield from ((part, scope) for part in (target, value) if part is not None)
        case ast.ClassDef(body=body):
            yield from ((statement, scope) for statement in body)
        case _:
            yield from ((child, scope) for child in ast.iter_child_nodes(node))


def schedules(place: Place) -> bool:
    """Whether the code here waits for something, or asks an orchestration's context for it."""
    return any(_schedules(inner) for inner in places(place))


_HARMLESS = {"entity", "get_input", "logger", "set_custom_status"}
"""Members of the context whose order of use does not matter to a replay."""
_STARTS = {"call", "signal", "start_soon", "create_task", "start_new"}


def _schedules(place: Place) -> bool:
    match place.node:
        case ast.Call(func=function, args=args):
            meaning = place.scope.meaning(function)
            if isinstance(meaning, str) and meaning.startswith(f"{CONTEXT}."):
                return meaning.split(".")[1].removesuffix("()") not in _HARMLESS
            if isinstance(function, ast.Attribute) and function.attr in _STARTS:
                return True
            return any(place.scope.meaning(argument) == CONTEXT for argument in args)
        case _:
            return isinstance(place.node, WAITS)
