"""Whether a function's parameters are those that its bindings give."""

import inspect
from collections.abc import Callable
from typing import Any

from .errors import FunctionsError
from .model import ENTITY_TRIGGER, ORCHESTRATION_TRIGGER, RETURN, SUPPORTED_TRIGGERS, Function

CONTEXT = "context"
"""The parameter that takes the host's context without a binding."""

_WRAPPED = {ORCHESTRATION_TRIGGER: "orchestrator_function", ENTITY_TRIGGER: "entity_function"}
_MADE_BY = {ORCHESTRATION_TRIGGER: "df.Orchestrator.create", ENTITY_TRIGGER: "df.Entity.create"}


def checked(function: Function) -> Function:
    """The function, when it can be called; raises `FunctionsError` that says what to change."""
    kind = function.trigger.type
    if kind in _WRAPPED:
        if not callable(getattr(function.call, _WRAPPED[kind], None)):
            raise FunctionsError(
                f"{function.name!r} in {function.file}: with {kind} it has to be what "
                f"{_MADE_BY[kind]}(...) returns; write `main = {_MADE_BY[kind]}(your_function)`"
            )
        _check_style(function, wrapped(function))
    elif kind in SUPPORTED_TRIGGERS:
        _check_style(function, function.call)
        _check_parameters(function)
    return function


def wrapped(function: Function) -> Callable[..., Any]:
    """The user's own orchestrator or entity function."""
    own: Callable[..., Any] = getattr(function.call, _WRAPPED[function.trigger.type])
    return own


def _check_style(function: Function, called: Callable[..., Any]) -> None:
    where = f"{function.name!r} in {function.file}"
    if inspect.isasyncgenfunction(called):
        raise FunctionsError(f"{where}: `async def` with `yield` cannot be run; take one of them")
    if inspect.isgeneratorfunction(called) and function.trigger.type != ORCHESTRATION_TRIGGER:
        raise FunctionsError(f"{where}: only orchestrators yield; return the result instead")


def _check_parameters(function: Function) -> None:
    parameters = inspect.signature(function.call).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return
    bound = {b.name for b in (function.trigger, *function.bindings)} - {RETURN}
    where = f"{function.name!r} in {function.file}"
    missing = sorted(bound - parameters.keys())
    if missing:
        raise FunctionsError(
            f"{where}: it has no parameter {missing[0]!r}, which a binding gives; "
            "rename the parameter or the binding"
        )
    for name, parameter in parameters.items():
        free = (
            parameter.default is not parameter.empty or parameter.kind is parameter.VAR_POSITIONAL
        )
        if name not in bound and name != CONTEXT and not free:
            raise FunctionsError(
                f"{where}: no binding gives its parameter {name!r}; remove it or add a binding"
            )
