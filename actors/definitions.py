"""What an App knows of the functions and classes registered with it."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, TypeGuard, Union, get_args, get_origin, get_type_hints

from attrs import Factory, frozen

from .codec import Codec
from .errors import ArityError, OperationNotFoundError, RegistrationError
from .failure import FailureDetails
from .history import Payload
from .retry import RetryPolicy

MISSING: Any = inspect.Parameter.empty
IMPLICIT_DELETE = "delete"
EXPLICIT_NONE = "null"
"""The payload of None where no payload stands for the parameter's default."""

_OPTIONAL = re.compile(r"(?:\w+\.)*Optional\[(.*)\]")


@frozen
class Input:
    """One input parameter."""

    name: str
    type: Any
    required: bool
    default: Any = MISSING


@frozen
class Signature:
    """The inputs and the result of a callable, without its context parameter.

    One parameter takes the bare value; several take an array in their order, which may be shorter
    by trailing parameters with defaults; none takes nothing.
    """

    name: str
    inputs: tuple[Input, ...]
    returns: Any = Any
    variadic: Any = MISSING
    """The type of further positional arguments; then the payload is always an array."""
    loose: bool = False
    """Whether a callable without inputs may be given some: it asks its context for them."""

    def write(self, codec: Codec, args: tuple[Any, ...], path: str) -> Payload:
        """The payload for a call with these arguments; raises `ArityError` or `PayloadError`."""
        inputs = self.inputs
        if len(args) != len(inputs) or self.variadic is not MISSING:
            self._check_arity(args)
        if not args:
            return None
        if self.loose:
            return codec.write(args[0] if len(args) == 1 else list(args), path)
        if len(inputs) == 1 and self.variadic is MISSING:
            if args[0] is None and not inputs[0].required:
                return EXPLICIT_NONE
            return codec.write(args[0], path)
        return codec.write(list(args), path)

    def _check_arity(self, args: tuple[Any, ...]) -> None:
        missing = [p.name for p in self.inputs[len(args) :] if p.required]
        if missing:
            names = ", ".join(repr(name) for name in missing)
            raise ArityError(self.name, f"missing {names}; it takes {self._shown()}")
        if len(args) > len(self.inputs) and self.variadic is MISSING and not self.loose:
            raise ArityError(
                self.name, f"{len(args)} given; it takes {len(self.inputs)}: {self._shown()}"
            )

    def _shown(self) -> str:
        return "(" + ", ".join(p.name for p in self.inputs) + ")"

    def read(self, codec: Codec, payload: Payload, path: str) -> tuple[Any, ...]:
        """The arguments in a payload; raises `PayloadError` or `ArityError`."""
        inputs = self.inputs
        if len(inputs) == 1 and self.variadic is MISSING:
            only = inputs[0]
            if payload is None and not only.required:
                return ()
            return (codec.read(payload, only.type, path),)
        if not inputs and self.variadic is MISSING:
            return ()
        values = self._values(codec, payload, path)
        self._check_arity(tuple(values))
        types = [p.type for p in inputs] + [self.variadic] * (len(values) - len(inputs))
        names = [p.name for p in inputs] + ["*"] * (len(values) - len(inputs))
        return tuple(
            codec.structure(value, type_, f"{path}.{name}")
            for value, type_, name in zip(values, types, names, strict=False)
        )

    def _values(self, codec: Codec, payload: Payload, path: str) -> list[Any]:
        value = codec.read(payload, Any, path)
        if _is_list(value):
            return value
        return [] if value is None else [value]

    def with_context(
        self, arguments: tuple[Any, ...], position: int, context: Any
    ) -> tuple[Any, ...]:
        """The arguments and the context in its place, after the defaults of what is missing."""
        between = (p.default for p in self.inputs[len(arguments) : position])
        return (*arguments[:position], *between, context, *arguments[position:])


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


@frozen
class ActivityDefinition:
    """An activity."""

    name: str
    function: Callable[..., Any]
    signature: Signature
    takes_context: bool
    executor: Literal["loop", "thread", "process"]
    retry: RetryPolicy | None = None
    timeout: float | None = None
    """Seconds that one attempt may take."""
    max_concurrency: int | None = None
    context_position: int = 0
    """Where the context stands among the inputs."""
    shared: bool = False
    """Whether any worker of a hub may run it, or only the one that runs who asks for it."""


@frozen
class OrchestrationDefinition:
    """An orchestrator in one version."""

    name: str
    version: str | None
    function: Callable[..., Any]
    signature: Signature
    style: Literal["async", "generator", "plain"]
    refusal: FailureDetails | None = None
    """What its instances fail with as soon as something happens to them, if they may not go on."""


@frozen
class Operation:
    """A public method of an entity class."""

    name: str
    function: Callable[..., Any]
    signature: Signature
    takes_context: bool
    is_async: bool
    context_position: int = 0
    """Where the context stands among the inputs."""


@frozen
class EntityDefinition:
    """An entity; `make` gives its first state, or is the function itself."""

    name: str
    kind: Literal["class", "function"]
    make: Callable[..., Any]
    state_type: Any = Any
    operations: Mapping[str, Operation] = Factory(dict[str, Operation])
    """By name in lower case."""

    def is_implicit(self, operation: str) -> bool:
        """Whether this is the `delete` that every entity class has."""
        name = operation.casefold()
        return self.kind == "class" and name == IMPLICIT_DELETE and name not in self.operations

    def operation(self, name: str) -> Operation:
        """The operation of that name, in any case; raises `OperationNotFoundError`."""
        found = self.operations.get(name.casefold())
        if found is None:
            known = [operation.name for operation in self.operations.values()]
            raise OperationNotFoundError(self.name, name, known)
        return found


def is_context(annotation: Any, kind: str) -> bool:
    """Whether an annotation names that context class or None, as classes or as a text."""
    if isinstance(annotation, str):
        text = annotation.strip("\"' ")
        inner = _OPTIONAL.fullmatch(text)
        parts: Iterable[str] = (inner[1] if inner else text).split("|")
        return any(part.strip("\"' ").rpartition(".")[2] == kind for part in parts)
    match get_origin(annotation):
        case origin if origin in (Union, UnionType):
            return any(is_context(member, kind) for member in get_args(annotation))
        case origin if origin is Annotated:
            return is_context(get_args(annotation)[0], kind)
        case _:
            return any(cls.__name__ == kind for cls in getattr(annotation, "__mro__", ()))


def context_among(parameters: list[inspect.Parameter], kind: str, name: str) -> int | None:
    """Where the context stands; raises `RegistrationError` where it could not be given."""
    found = [p for p in parameters if is_context(p.annotation, kind)]
    if not found:
        return None
    position = parameters.index(found[0])
    if len(found) > 1:
        raise RegistrationError(name, f"it has two parameters for the {kind}")
    if any(p.kind in (p.VAR_POSITIONAL, p.KEYWORD_ONLY) for p in parameters[: position + 1]):
        raise RegistrationError(
            name, f"the {kind} is given by position; move {found[0].name!r} before the '*'"
        )
    return position


def parameters_of(
    function: Callable[..., Any], name: str, owner: type | None = None
) -> list[inspect.Parameter]:
    """The parameters, with annotations resolved as far as possible.

    `owner` is the class of a method: it may be named there, though it is being defined.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise RegistrationError(name, f"it has no signature: {error}") from error
    hints = hints_of(function, owner)
    return [
        parameter.replace(annotation=hints.get(parameter.name, parameter.annotation))
        for parameter in signature.parameters.values()
    ]


def hints_of(function: Callable[..., Any], owner: type | None = None) -> dict[str, Any]:
    """Annotations by name; one that cannot be resolved stays a text."""
    function = underlying(function)
    names = _closure(function)
    if owner is not None:
        names[owner.__name__] = owner
    try:
        return get_type_hints(function, localns=names, include_extras=True)
    except Exception:  # noqa: BLE001 - a name that is not there yet must not stop the others
        annotations: dict[str, Any] = dict(getattr(function, "__annotations__", {}))
    names = {**getattr(inspect.unwrap(function), "__globals__", {}), **names}
    return {name: _resolved(annotation, names) for name, annotation in annotations.items()}


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return get_type_hints(holder, names, include_extras=True)["it"]
    except Exception:  # noqa: BLE001 - whatever an annotation raises when it is evaluated
        return annotation


def underlying(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function or method that a partial or a callable object calls."""
    while isinstance(function, partial):
        function = function.func
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    own: Callable[..., Any] = type(function).__call__
    return own


def _closure(function: Callable[..., Any]) -> dict[str, Any]:
    cells = getattr(function, "__closure__", None) or ()
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    found: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found


def signature_of(
    function: Callable[..., Any],
    name: str,
    parameters: list[inspect.Parameter],
    owner: type | None = None,
) -> Signature:
    """The signature made of these input parameters; raises `RegistrationError`."""
    inputs: list[Input] = []
    variadic: Any = MISSING
    for parameter in parameters:
        required = parameter.default is MISSING
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            variadic = _type(parameter.annotation)
        elif parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            if required:
                raise RegistrationError(
                    name,
                    f"inputs are positional, so that keyword-only {parameter.name!r} could never "
                    "be given; make it positional or give it a default",
                )
        elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            type_ = _type(parameter.annotation)
            inputs.append(Input(parameter.name, type_, required, parameter.default))
    returns = hints_of(function, owner).get("return", Any)
    return Signature(name, tuple(inputs), _result(returns), variadic)


def _type(annotation: Any) -> Any:
    return Any if annotation is MISSING or isinstance(annotation, str) else annotation


def _result(annotation: Any) -> Any:
    """The result's type; a generator's is that of its return value."""
    if isinstance(annotation, str):
        return Any
    origin = getattr(annotation, "__origin__", None)
    if origin is not None and getattr(origin, "__name__", "") == "Generator":
        arguments = annotation.__args__
        return arguments[2] if len(arguments) == 3 else Any  # noqa: PLR2004 - yield, send, return
    if getattr(annotation, "__name__", "") == "Generator":
        return Any
    return annotation
