"""Which code an orchestrator runs: its own, and that of the functions it calls on the way."""

import ast
from collections import deque
from collections.abc import Iterable, Iterator

from attrs import field, frozen

from .bindings import FUNCTIONS
from .kinds import Kind
from .orchestrators import context_parameter, first_parameter, kind, takes_a_context
from .places import Place, opened, places
from .scopes import CONTEXT, Definition
from .waiting import ends_otherwise

_HANDS_OVER = {
    "call",
    "call_activity",
    "call_activity_with_retry",
    "call_entity",
    "call_sub_orchestrator",
    "call_sub_orchestrator_with_retry",
    "entity",
    "lock_entities",
    "signal",
    "signal_entity",
    "start_new",
}
"""Methods that name what is to be run elsewhere, with its arguments."""


@frozen(eq=False)
class Visit:
    """A function that an orchestrator runs."""

    definition: Definition
    way: tuple[str, ...] = ()
    """The functions through which the lint came, the orchestrator first."""
    registered: bool = False
    """Whether the first of them is an orchestrator, and not just some helper of one."""
    ends_otherwise: bool = False
    """Whether its loops may be ended by something on the way, or by whoever started it."""
    waits_with: str = ""
    """`await` or `yield`: how its orchestrator waits."""
    place: Place = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        node = self.definition.node
        context = None
        if isinstance(node, FUNCTIONS) and self.registered and not self.way:
            context = context_parameter(node, self.definition.scope) or first_parameter(node)
        object.__setattr__(self, "place", opened(self.definition, context))
        if not self.waits_with:
            is_async = isinstance(node, ast.AsyncFunctionDef)
            object.__setattr__(self, "waits_with", "await" if is_async else "yield")


def visits(definitions: Iterable[Definition]) -> Iterator[Visit]:
    """Every function that orchestrators among these run, once, with the way to it.

    First go the registered ones and what they call, then helpers of orchestrators elsewhere.
    """
    found = list(definitions)
    registered = [d for d in found if kind(d) is Kind.ORCHESTRATION]
    helpers = [d for d in found if kind(d) is None and takes_a_context(d.node)]
    waiting = deque(Visit(definition, registered=True) for definition in registered)
    seen: set[ast.AST] = {visit.definition.node for visit in waiting}
    for definition in [None, *helpers]:
        if definition is not None and definition.node not in seen:
            seen.add(definition.node)
            waiting.append(Visit(definition))
        while waiting:
            visit = waiting.popleft()
            yield visit
            seen.update(inner.node for inner in places(visit.place))
            for following in _following(visit):
                if following.definition.node not in seen:
                    seen.add(following.definition.node)
                    waiting.append(following)


def _following(visit: Visit) -> Iterator[Visit]:
    inside = list(places(visit.place))
    ended = visit.ends_otherwise or any(ends_otherwise(place) for place in inside)
    way = (*visit.way, visit.definition.name)
    for place in inside:
        for definition, awaited in _run_by(place):
            if kind(definition) is None and definition.node is not visit.definition.node:
                loose = ended or not awaited
                yield Visit(definition, way, visit.registered, loose, visit.waits_with)


def _run_by(place: Place) -> Iterator[tuple[Definition, bool]]:
    """The functions that the code here runs, and whether it waits for their end."""
    node = place.node
    if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return
    match place.meaning():
        case Definition(node=ast.ClassDef()) as made if place.is_called():
            yield from ((method, True) for method in _run_by_making(made))
        case Definition() as function if isinstance(function.node, FUNCTIONS):
            if place.is_called() or _is_property(function.node):
                yield function, True
            elif isinstance(node, ast.Name) and _is_handed_on(place):
                yield function, False
        case _:
            pass


def _run_by_making(made: Definition) -> Iterator[Definition]:
    node = made.node
    for statement in node.body:
        if isinstance(statement, FUNCTIONS) and statement.name in {
            "__attrs_post_init__",
            "__init__",
            "__new__",
            "__post_init__",
        }:
            yield Definition(statement, made.scope, made)


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        isinstance(decorator, ast.Name | ast.Attribute)
        and ast.unparse(decorator).rpartition(".")[2] in {"property", "cached_property"}
        for decorator in node.decorator_list
    )


def _is_handed_on(place: Place) -> bool:
    """Whether a function stands where somebody may call it, and not where it names an activity."""
    match place.around:
        case Place(node=ast.Call(func=ast.Attribute(attr=method))) if method in _HANDS_OVER:
            return False
        case Place(node=ast.Call(func=function), scope=scope):
            meaning = scope.meaning(function)
            return not (isinstance(meaning, str) and meaning.startswith(f"{CONTEXT}."))
        case _:
            return True
