"""Finds what is wrong with the way an orchestrator waits: not at all, for ever, or unstoppably."""

import ast
from collections.abc import Iterable, Iterator

from .bindings import FUNCTIONS
from .orchestrators import kind
from .places import WAITS, Place
from .remarks import Remark, called, shown
from .scopes import CONTEXT, Definition

_TASKS = {
    *(
        f"{CONTEXT}.{name}"
        for name in (
            "call_activity",
            "call_activity_with_retry",
            "call_entity",
            "call_http",
            "call_sub_orchestrator",
            "call_sub_orchestrator_with_retry",
            "create_timer",
            "lock_entities",
            "task_all",
            "task_any",
            "wait_for_external_event",
        )
    ),
    f"{CONTEXT}.entity().call",
}
_COROUTINES = {"anyio.sleep", "anyio.sleep_forever", "anyio.sleep_until"}
_ENDLESS = {"itertools.count()", "itertools.cycle()", "itertools.repeat()"}
_CANCELLED = "anyio.get_cancelled_exc_class()"
_SCOPES = {"CancelScope", "fail_after", "fail_at", "move_on_after", "move_on_at"}


def tasks_nobody_awaits(place: Place) -> Iterator[Remark]:
    """Find tasks and coroutines that are made and dropped."""
    match place.node:
        case ast.Expr(value=ast.Call() as call) if _is_task(call, place):
            yield Remark("PER113", call, called(call))
        case ast.Expr(value=ast.Call() as call) if (what := _is_coroutine(call, place)) is not None:
            yield Remark("PER113", call, called(call), what)
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
            kept = name.startswith("_") or _is_read(name, place.top.node)
            if not kept and _is_task(call, place):
                yield Remark("PER113", call, called(call))
        case _:
            pass


def endless_loops(place: Place) -> Iterator[Remark]:
    """Find loops that wait inside and that nothing ends."""
    match place.node:
        case ast.While(test=test) if _is_true(test):
            it = f"while {shown(test)}"
        case ast.For(target=target, iter=endless) if place.scope.meaning(endless) in _ENDLESS:
            it = f"for {shown(target)} in {shown(endless)}"
        case _:
            return
    body = place.node.body
    if _any_waits(body) and not _is_left(body):
        yield Remark("PER114", place.node, it)


def ends_otherwise(place: Place) -> bool:
    """Whether the code here can end a loop around or beside it: by a scope, or by a new start."""
    match place.node:
        case ast.Call(func=ast.Attribute(attr="cancel" | "continue_as_new")):
            return True
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name in _SCOPES
        case _:
            return False


def caught_cancellations(place: Place) -> Iterator[Remark]:
    """Find handlers that keep the cancellation from leaving the orchestrator."""
    match place.node:
        case ast.Try(body=body, handlers=handlers) | ast.TryStar(body=body, handlers=handlers):
            if not _any_waits(body):
                return
            for handler in handlers:
                if _catches_it(handler.type, place):
                    # No handler below this one gets to see a cancellation.
                    if not _raises(handler):
                        it = f"except {shown(handler.type)}" if handler.type else "except"
                        yield Remark("PER117", handler, it)
                    return
        case ast.With(items=items, body=body) if _any_waits(body):
            for item in items:
                call = item.context_expr
                if (
                    isinstance(call, ast.Call)
                    and place.scope.meaning(call.func) == "contextlib.suppress"
                    and any(_catches_it(argument, place) for argument in call.args)
                ):
                    yield Remark("PER117", call, shown(call), "suppress Exception")
        case _:
            pass


def _is_task(call: ast.Call, place: Place) -> bool:
    return place.scope.meaning(call.func) in _TASKS


def _is_coroutine(call: ast.Call, place: Place) -> str | None:
    """What to do when a call only makes a coroutine or generator, or None."""
    target = place.scope.meaning(call.func)
    if isinstance(target, str):
        return "await it" if target in _COROUTINES else None
    if not isinstance(target, Definition) or kind(target) is not None:
        return None
    match target.node:
        case ast.AsyncFunctionDef():
            return "await it, or start it in a task group"
        case ast.FunctionDef() if _yields(target.node):
            return "`yield from` it"
        case _:
            return None


def _yields(node: ast.AST) -> bool:
    return any(
        isinstance(child, ast.Yield | ast.YieldFrom)
        or (not isinstance(child, (*FUNCTIONS, ast.Lambda)) and _yields(child))
        for child in ast.iter_child_nodes(node)
    )


def _is_read(name: str, node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Load)
        for part in ast.walk(node)
    )


def _is_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def _is_left(nodes: Iterable[ast.AST], *, deeper: bool = False) -> bool:
    """Whether one of them leaves the loop that they are in; `deeper`: they are in one inside it."""
    for node in nodes:
        match node:
            case ast.Return() | ast.Raise():
                return True
            case ast.Break() if not deeper:
                return True
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                continue
            case ast.While() | ast.For() | ast.AsyncFor():
                left = _is_left(node.body, deeper=True) or _is_left(node.orelse, deeper=deeper)
            case _:
                left = _is_left(ast.iter_child_nodes(node), deeper=deeper)
        if left:
            return True
    return False


def _any_waits(body: list[ast.stmt]) -> bool:
    return any(isinstance(part, WAITS) for statement in body for part in ast.walk(statement))


def _catches_it(caught: ast.expr | None, place: Place) -> bool:
    """Whether this is a cancellation, among other things."""
    match caught:
        case None | ast.Name(id="BaseException"):
            return True
        case ast.Tuple(elts=several):
            return any(_catches_it(one, place) for one in several)
        case _:
            return place.scope.meaning(caught) == _CANCELLED


def _raises(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Raise) for part in ast.walk(node))
