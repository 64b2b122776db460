"""Finds what is impure by its name: clocks, chance, I/O, threads, foreign loops, output."""

import ast
from collections.abc import Iterator

from .impure import FIXES, IMPURE_WITHOUT_ARGUMENTS, code_of
from .kinds import Kind
from .orchestrators import kind
from .places import Place
from .remarks import Remark, called, shown
from .scopes import Definition

_OUTPUT = "PER118"


def impure_names(place: Place) -> Iterator[Remark]:
    """Find foreign things that must not be used."""
    node = place.node
    if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return
    meaning = place.meaning()
    if not isinstance(meaning, str):
        return
    call = place.around.node if place.around is not None and place.is_called() else None
    code = code_of(meaning, called=call is not None)
    if code is None and isinstance(call, ast.Call) and not (call.args or call.keywords):
        code = IMPURE_WITHOUT_ARGUMENTS.get(meaning)
    if code is None or _is_of_one_already_found(node, place):
        return
    if code == _OUTPUT and _asks_whether_it_is_replayed(place):
        return
    it = called(call) if isinstance(call, ast.Call) else shown(node)
    yield Remark(code, call or node, it, FIXES.get(meaning))


def activities_as_functions(place: Place) -> Iterator[Remark]:
    """Find activities that are called like plain functions."""
    if isinstance(place.node, ast.Call):
        target = place.scope.meaning(place.node.func)
        if isinstance(target, Definition) and kind(target) is Kind.ACTIVITY:
            name = shown(place.node.func)
            fix = f"{{await}} {{ctx}}.call_activity({name}, ...)"
            yield Remark("PER116", place.node, called(place.node), fix)


def _is_of_one_already_found(node: ast.expr, place: Place) -> bool:
    """Whether this is a member of what an impure call gives, right at that call."""
    while isinstance(node, ast.Attribute):
        node = node.value
    if not isinstance(node, ast.Call):
        return False
    meaning = place.scope.meaning(node.func)
    return isinstance(meaning, str) and code_of(meaning, called=True) is not None


def _asks_whether_it_is_replayed(place: Place) -> bool:
    return any(
        isinstance(above.node, ast.If | ast.IfExp)
        and any(
            isinstance(part, ast.Attribute) and part.attr == "is_replaying"
            for part in ast.walk(above.node.test)
        )
        for above in place.above()
    )
