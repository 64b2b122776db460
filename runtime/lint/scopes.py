"""What names stand for, as far as that can be told without running anything.

A *meaning* is the full name of something foreign (`datetime.datetime.now`), a definition or a
module of the project's own, or None: unknown, and then the lint is silent. An instance has the
meaning of its class; what a foreign function returns has that of its call (`logging.getLogger()`).
"""

import ast
from collections.abc import Iterable
from typing import Union

from attrs import define, field, frozen

from .bindings import (
    FUNCTIONS,
    Annotated,
    Binding,
    Bound,
    Defined,
    Function,
    Import,
    TheContext,
    Unknown,
    Value,
    bindings,
    parameters,
)
from .kinds import Kind
from .modules import Library, Module

CONTEXT = "@context"
"""The meaning of an orchestration's context."""

CONTEXTS = {"OrchestrationContext", "DurableOrchestrationContext"}
SETS = {"builtins.set", "builtins.frozenset"}
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
_SET_METHODS = {"copy", "difference", "intersection", "symmetric_difference", "union"}
_BUILT_IN_TYPES = {"bytearray", "dict", "frozenset", "list", "set", "tuple"}
_PATHS = {"pathlib.Path", "anyio.Path"}

Meaning = Union[str, "Definition", Module, None]


@frozen
class Definition:
    """A function or class of the project."""

    node: Function | ast.ClassDef
    scope: "Scope" = field(repr=False)
    """Where it is defined."""
    owner: "Definition | None" = None
    """The class, if it is a method."""

    @property
    def module(self) -> Module:
        return self.scope.module

    @property
    def name(self) -> str:
        return f"{self.owner.name}.{self.node.name}" if self.owner else self.node.name


class Project:
    """The modules that were read, and their names."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.registered: dict[ast.AST, Kind] = {}
        """The functions and classes that a call registers, not a decorator."""
        self._scopes: dict[Module, Scope] = {}

    def scope(self, module: Module) -> "Scope":
        """The names of a module."""
        if module not in self._scopes:
            scope = self._scopes[module] = Scope(self, module, None)
            scope.bind(bindings(module.tree.body))
        return self._scopes[module]

    def imported(self, by: Module, name: str, level: int) -> Meaning:
        """What an import gives: something of the project's own, or a foreign name."""
        module, rest = self.library.imported(by, name, level)
        if module is None:
            return None if level else name
        found: Meaning = module
        for part in rest:
            found = self.member(found, part)
        return found

    def member(self, owner: Meaning, name: str) -> Meaning:
        """What `owner.name` stands for."""
        match owner:
            case str():
                return f"{owner}.{name}"
            case Module():
                scope = self.scope(owner)
                if name in scope.names:
                    return scope.named(name)
                inside_package = owner.path.name == "__init__.py"
                found = self.library.imported(owner, name, 1) if inside_package else (None, ())
                return found[0] if not found[1] else None
            case Definition(node=ast.ClassDef()):
                return _class_member(owner, name, frozenset())
            case _:
                return None


@define(eq=False)
class Scope:
    """The names of a module or a function, within those around it."""

    project: Project = field(repr=False)
    module: Module
    parent: "Scope | None"
    names: dict[str, list[Binding]] = field(factory=dict[str, list[Binding]], repr=False)
    elsewhere: set[str] = field(factory=set[str])
    """Names that `global` and `nonlocal` leave to an outer scope."""
    owner: Definition | None = None
    """The class, if this is a method's scope: that is what `self` is."""
    _being_told: set[str] = field(factory=set[str], init=False)

    def bind(self, bound: Bound) -> None:
        for name, binding in bound:
            self.names.setdefault(name, []).append(binding)

    def within(
        self,
        node: Function | ast.Lambda,
        context: str | None = None,
        owner: Definition | None = None,
    ) -> "Scope":
        """The scope of a function that is defined here."""
        scope = Scope(self.project, self.module, self, owner=owner)
        scope.bind(parameters(node, context))
        body = node.body if isinstance(node.body, list) else [node.body]
        scope.bind(bindings(body))
        scope.elsewhere.update(_left_to_others(body))
        return scope

    def home(self, name: str) -> "Scope | None":
        """The scope that the name belongs to; None is that of the built-in names."""
        scope: Scope | None = self
        while scope is not None and (name not in scope.names or name in scope.elsewhere):
            scope = scope.parent
        return scope

    def inside(self, outer: "Scope") -> bool:
        """Whether this is `outer`, or lies in it."""
        scope: Scope | None = self
        while scope is not None and scope is not outer:
            scope = scope.parent
        return scope is outer

    def meaning(self, node: ast.expr) -> Meaning:
        """What an expression stands for."""
        match node:
            case ast.Name(id=name):
                return self.named(name)
            case ast.Attribute(value=value, attr=attribute):
                return self.project.member(self.meaning(value), attribute)
            case ast.Call(func=function):
                return _returned(self.meaning(function))
            case ast.Await(value=value) | ast.NamedExpr(value=value):
                return self.meaning(value)
            case ast.BinOp(left=left, op=op, right=right):
                return _combined(self.meaning(left), op, self.meaning(right))
            case _:
                return _display(node)

    def named(self, name: str) -> Meaning:
        """What a name stands for, when all that binds it agrees."""
        home = self.home(name)
        if home is None:
            return f"builtins.{name}"
        if name in home._being_told:
            return None
        home._being_told.add(name)
        try:
            meanings = {home._bound(name, binding) for binding in home.names[name]}
        finally:
            home._being_told.discard(name)
        return meanings.pop() if len(meanings) == 1 else None

    def annotated(self, node: ast.expr) -> Meaning:
        """The class that an annotation names, without `| None` and type arguments."""
        if is_context(node):
            return CONTEXT
        named = _unwrapped(node)
        return self.meaning(named) if isinstance(named, ast.Name | ast.Attribute) else None

    def _bound(self, name: str, binding: Binding) -> Meaning:
        match binding:
            case Import(dotted, level):
                return self.project.imported(self.module, dotted, level)
            case Defined(node):
                return Definition(node, self)
            case Value(node):
                return self.meaning(node)
            case Annotated(node):
                return self.annotated(node)
            case TheContext():
                return CONTEXT
            case Unknown():
                return self.owner if name in {"self", "cls"} else None


def _returned(function: Meaning) -> Meaning:
    match function:
        case str():
            first, _, last = function.rpartition(".")
            if last[:1].isupper() or (first == "builtins" and last in _BUILT_IN_TYPES):
                return function
            return "builtins.set" if first in SETS and last in _SET_METHODS else f"{function}()"
        case Definition(node=ast.ClassDef()):
            return function
        case Definition(node=node, scope=scope) if isinstance(node, FUNCTIONS):
            return scope.annotated(node.returns) if node.returns else None
        case _:
            return None


def _combined(left: Meaning, operator: ast.operator, right: Meaning) -> Meaning:
    if isinstance(operator, ast.Div) and left in _PATHS:
        return left
    if isinstance(operator, _SET_OPERATORS) and (left in SETS or right in SETS):
        return "builtins.set"
    return None


def is_context(annotation: ast.expr) -> bool:
    """Whether an annotation names the class of an orchestration's context."""
    match _unwrapped(annotation):
        case ast.Name(id=last) | ast.Attribute(attr=last):
            return last in CONTEXTS
        case _:
            return False


def _unwrapped(node: ast.expr) -> ast.expr | None:
    match node:
        case ast.Constant(value=str(text)):
            try:
                return _unwrapped(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return None
        case ast.BinOp(left=inner, op=ast.BitOr(), right=ast.Constant(value=None)):
            return _unwrapped(inner)
        case ast.Subscript(value=ast.Name(id=word) | ast.Attribute(attr=word), slice=inner):
            if word not in {"Annotated", "Optional"}:
                return node.value
            return _unwrapped(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
        case _:
            return node


def _display(node: ast.expr) -> Meaning:
    match node:
        case ast.Set() | ast.SetComp():
            return "builtins.set"
        case ast.List() | ast.ListComp():
            return "builtins.list"
        case ast.Dict() | ast.DictComp():
            return "builtins.dict"
        case _:
            return None


def _class_member(owner: Definition, name: str, below: frozenset[ast.AST]) -> Meaning:
    """A method or annotated attribute, looked for in the bases too."""
    node = owner.node
    if not isinstance(node, ast.ClassDef) or node in below:
        return None
    for statement in node.body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if statement.name == name:
                return Definition(statement, owner.scope, owner)
            case ast.AnnAssign(target=ast.Name(id=attribute), annotation=annotation):
                if attribute == name:
                    return owner.scope.annotated(annotation)
            case _:
                pass
    bases = (owner.scope.meaning(base) for base in node.bases)
    inherited = (
        _class_member(base, name, below | {node}) for base in bases if isinstance(base, Definition)
    )
    return next((meaning for meaning in inherited if meaning is not None), None)


def _left_to_others(nodes: Iterable[ast.AST]) -> Iterable[str]:
    for node in nodes:
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names
        elif not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
            yield from _left_to_others(ast.iter_child_nodes(node))
