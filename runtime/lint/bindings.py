"""How a scope's names come to be: imports, definitions, assignments, parameters."""

import ast
from collections.abc import Iterable, Iterator
from itertools import zip_longest

from attrs import frozen

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@frozen
class Import:
    """Bound by an import: the dotted name, and the dots of a relative one."""

    name: str
    level: int = 0


@frozen(eq=False)
class Defined:
    """Bound by `def` or `class`."""

    node: Function | ast.ClassDef


@frozen(eq=False)
class Value:
    """Bound to what an expression gives."""

    node: ast.expr


@frozen(eq=False)
class Annotated:
    """Bound to something of which only the annotation is known."""

    node: ast.expr


@frozen
class Unknown:
    """Bound to something of which nothing is known."""


@frozen
class TheContext:
    """Bound to an orchestration's context."""


Binding = Import | Defined | Value | Annotated | Unknown | TheContext
Bound = Iterator[tuple[str, Binding]]


def bindings(nodes: Iterable[ast.AST]) -> Bound:
    """The names that these nodes bind, without those of functions and classes inside them."""
    for node in nodes:
        yield from _of_node(node)
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name, Defined(node)
        elif not isinstance(node, ast.Lambda):
            yield from bindings(ast.iter_child_nodes(node))


def parameters(node: Function | ast.Lambda, context: str | None = None) -> Bound:
    """The parameters; `context` is the name of one that is an orchestration's context."""
    arguments = node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if argument.arg == context:
            yield argument.arg, TheContext()
        elif argument.annotation is not None:
            yield argument.arg, Annotated(argument.annotation)
        else:
            named_so = argument.arg in {"ctx", "context"}
            yield argument.arg, TheContext() if named_so else Unknown()
    for rest in (arguments.vararg, arguments.kwarg):
        if rest is not None:
            yield rest.arg, Unknown()


def _of_node(node: ast.AST) -> Bound:
    match node:
        case ast.Import() | ast.ImportFrom():
            yield from _of_import(node)
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _of_target(target, value)
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
            yield name, Annotated(annotation)
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            yield name, Value(value)
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            yield from _of_target(target, value)
        case (
            ast.For(target=target) | ast.AsyncFor(target=target) | ast.comprehension(target=target)
        ):
            yield from _of_target(target, None)
        case (
            ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
            | ast.MatchMapping(rest=str(name))
        ):
            yield name, Unknown()
        case _:
            pass


def _of_import(node: ast.Import | ast.ImportFrom) -> Bound:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            name = f"{node.module}.{alias.name}" if node.module else alias.name
            yield alias.asname or alias.name, Import(name, node.level)
        elif alias.asname:
            yield alias.asname, Import(alias.name)
        else:
            first = alias.name.partition(".")[0]
            yield first, Import(first)


def _of_target(target: ast.expr, value: ast.expr | None) -> Bound:
    match target, value:
        case ast.Name(id=name), _:
            yield name, Value(value) if value is not None else Unknown()
        case ((ast.Tuple(elts=inner) | ast.List(elts=inner)), _):
            values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            paired = len(values) == len(inner) and not any(
                isinstance(e, ast.Starred) for e in inner
            )
            for one, its in zip_longest(inner, values if paired else ()):
                yield from _of_target(one, its)
        case ast.Starred(value=starred), _:
            yield from _of_target(starred, None)
        case _:
            pass
