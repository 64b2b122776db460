"""Finds sets whose order decides what an orchestrator asks for first."""

import ast
from collections.abc import Iterator

from .bindings import Value
from .places import Place, schedules
from .remarks import Remark, shown
from .scopes import CONTEXT, SETS, Scope

_KEEPS_ORDER = {"enumerate", "filter", "iter", "list", "map", "reversed", "tuple", "zip"}
_PICK = "take min(...) or max(...)"
_COMPOSITES = {f"{CONTEXT}.task_all", f"{CONTEXT}.task_any"}


def sets_gone_through(place: Place) -> Iterator[Remark]:
    """Find loops over sets in which something is scheduled."""
    scope = place.scope
    match place.node:
        case ast.For(iter=iterated, body=body):
            inside = (Place(statement, scope, place, place.top) for statement in body)
            if _unordered(iterated, place) and any(schedules(inner) for inner in inside):
                yield Remark("PER112", iterated, shown(iterated))
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            for part in place.node.generators:
                if _unordered(part.iter, place) and schedules(place):
                    yield Remark("PER112", part.iter, shown(part.iter))
        case _:
            pass


def sets_picked_from(place: Place) -> Iterator[Remark]:
    """Find sets of tasks, and what is taken out of a set at random."""
    scope = place.scope
    match place.node:
        case ast.Call(func=function, args=[tasks, *_]) if scope.meaning(function) in _COMPOSITES:
            if scope.meaning(tasks) in SETS:
                yield Remark("PER112", tasks, shown(tasks), "give it a list")
        case ast.Call(func=ast.Name(id="next"), args=[picked, *_]) if _unordered(picked, place):
            yield Remark("PER112", place.node, shown(place.node), _PICK)
        case ast.Call(func=ast.Attribute(value=picked, attr="pop"), args=[]):
            if scope.meaning(picked) in SETS:
                yield Remark("PER112", place.node, shown(place.node), _PICK)
        case _:
            pass


def _unordered(node: ast.expr, place: Place) -> bool:
    """Whether what an expression gives comes in an order of chance."""
    ordered = {
        call.func.value.id
        for call in ast.walk(place.top.node)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "sort"
        and isinstance(call.func.value, ast.Name)
    }
    return _is_unordered(node, place.scope, ordered)


def _is_unordered(node: ast.expr, scope: Scope, ordered: set[str]) -> bool:
    if scope.meaning(node) in SETS:
        return True
    match node:
        case ast.Call(func=ast.Name(id=name), args=args) if name in _KEEPS_ORDER:
            return any(_is_unordered(argument, scope, ordered) for argument in args)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="dict"), attr="fromkeys"), args=args):
            return any(_is_unordered(keys, scope, ordered) for keys in args[:1])
        case ast.ListComp(generators=parts) | ast.GeneratorExp(generators=parts):
            return any(_is_unordered(part.iter, scope, ordered) for part in parts)
        case ast.Name(id=name) if name not in ordered:
            home = scope.home(name)
            return home is not None and any(
                isinstance(binding, Value) and _is_unordered(binding.node, home, ordered | {name})
                for binding in home.names[name]
            )
        case _:
            return False
