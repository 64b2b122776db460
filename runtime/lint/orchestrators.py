"""Which functions are orchestrators, and which are activities and entities."""

import ast
from collections.abc import Iterable, Iterator

from .bindings import FUNCTIONS, Function
from .kinds import WORDS, Kind
from .scopes import Definition, Scope, is_context


def functions(
    scope: Scope, nodes: Iterable[ast.AST], owner: Definition | None = None
) -> Iterator[Definition]:
    """Give every function in there, and note in the project which ones a call registers."""
    for node in nodes:
        if isinstance(node, FUNCTIONS):
            yield Definition(node, scope, owner)
            inner = scope.within(node, context_parameter(node, scope), owner)
            yield from functions(inner, node.body)
        elif isinstance(node, ast.ClassDef):
            yield from functions(scope, node.body, Definition(node, scope))
        else:
            if isinstance(node, ast.Call):
                _note(node, scope)
            yield from functions(scope, ast.iter_child_nodes(node), owner)


def kind(definition: Definition) -> Kind | None:
    """What a function or class is registered as, if it is."""
    by_call = definition.scope.project.registered.get(definition.node)
    if by_call is not None:
        return by_call
    kinds = (_registers(node, definition.scope) for node in definition.node.decorator_list)
    return next((kind for kind in kinds if kind is not None), None)


def _note(call: ast.Call, scope: Scope) -> None:
    found = _registers(call.func, scope)
    if found is not None and call.args:
        registered = scope.meaning(call.args[0])
        if isinstance(registered, Definition):
            scope.project.registered[registered.node] = found


def _registers(node: ast.expr, scope: Scope) -> Kind | None:
    """What a decorator, or the callee of a call, registers functions as."""
    match node:
        case ast.Call(func=function):
            return _registers(function, scope)
        case ast.Attribute(value=ast.Name(id="Orchestrator") | ast.Attribute(attr="Orchestrator")):
            return Kind.ORCHESTRATION if node.attr == "create" else None
        case ast.Attribute(attr=word):
            return WORDS.get(word)
        case ast.Name(id=name):
            meaning = scope.named(name)
            word = meaning.rpartition(".")[2] if isinstance(meaning, str) else ""
            return None if isinstance(meaning, Definition) else WORDS.get(word or name)
        case _:
            return None


def context_parameter(node: Function, scope: Scope) -> str | None:
    """The name of the parameter that takes the context, if it is an orchestrator's."""
    for decorator in node.decorator_list:
        if _registers(decorator, scope) is Kind.ORCHESTRATION:
            named = decorator.keywords if isinstance(decorator, ast.Call) else []
            for keyword in named:
                if keyword.arg == "context_name" and isinstance(keyword.value, ast.Constant):
                    return str(keyword.value.value)
            return first_parameter(node)
    return None


def first_parameter(node: Function) -> str | None:
    parameters = [*node.args.posonlyargs, *node.args.args]
    return parameters[0].arg if parameters else None


def takes_a_context(node: Function | ast.ClassDef) -> bool:
    """Whether a parameter is annotated as an orchestration's context: then it is one's code."""
    return isinstance(node, FUNCTIONS) and any(
        parameter.annotation is not None and is_context(parameter.annotation)
        for parameter in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    )
