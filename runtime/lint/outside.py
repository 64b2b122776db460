"""Finds changes of what does not belong to the orchestrator: globals, and what a closure holds."""

import ast
from collections.abc import Iterator

from .places import Place
from .remarks import Remark, shown
from .scopes import Meaning

_CHANGES = {
    "__setitem__",
    "add",
    "append",
    "appendleft",
    "clear",
    "difference_update",
    "discard",
    "extend",
    "extendleft",
    "insert",
    "intersection_update",
    "pop",
    "popitem",
    "popleft",
    "remove",
    "reverse",
    "rotate",
    "setdefault",
    "sort",
    "subtract",
    "symmetric_difference_update",
    "update",
}
_CONTAINERS = {
    "builtins.bytearray",
    "builtins.dict",
    "builtins.list",
    "builtins.set",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.defaultdict()",
    "collections.deque",
    "collections.deque()",
}
_DRAWN = ("random.Random", "numpy.random.default_rng()")


def changes_outside(place: Place) -> Iterator[Remark]:
    """Find assignments to, and changes of, names that live longer than the orchestration."""
    node = place.node
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if _left_outside(name, place):
            yield Remark("PER115", node, name)
        case (
            ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del())
        ):
            if _is_outside(node, place):
                yield Remark("PER115", node, shown(node))
        case ast.Call(func=ast.Attribute(value=owner, attr=method)) if _is_outside(owner, place):
            if _is_changed(place.scope.meaning(owner), method):
                yield Remark("PER115", node, f"{shown(owner)}.{method}(...)")
        case ast.Call(func=ast.Name(id="next"), args=[ast.Name() as taken, *_]):
            if _is_outside(taken, place):
                yield Remark("PER115", node, shown(node))
        case _:
            pass


def _left_outside(name: str, place: Place) -> bool:
    """Whether `global` or `nonlocal` lets that name be one outside the orchestrator."""
    if name not in place.scope.elsewhere:
        return False
    home = place.scope.home(name)
    return home is None or not home.inside(place.top.scope)


def _is_outside(node: ast.expr, place: Place) -> bool:
    """Whether it is, or lies in, something that a name outside the orchestrator holds."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and place.outside(node.id)


def _is_changed(meaning: Meaning, method: str) -> bool:
    if not isinstance(meaning, str):
        return False
    return (meaning in _CONTAINERS and method in _CHANGES) or meaning in _DRAWN
