"""The App: a registry of definitions, importable anywhere, without I/O and without globals."""

import inspect
import re
from collections.abc import Callable
from copy import copy
from datetime import timedelta
from typing import Any, Literal, Self, TypeVar, get_args, overload

from attrs import evolve
from cattrs import Converter
from cattrs.errors import StructureHandlerNotFoundError

from .codec import PAYLOAD_BYTES_MAX, Codec
from .definitions import (
    ActivityDefinition,
    EntityDefinition,
    Operation,
    OrchestrationDefinition,
    context_among,
    is_context,
    parameters_of,
    signature_of,
    underlying,
)
from .durable_http import POLL_INTERVAL, TokenProvider
from .durations import seconds_of
from .errors import DefinitionNotFoundError, RegistrationError
from .retry import RetryPolicy

F = TypeVar("F", bound=Callable[..., Any])
Executor = Literal["thread", "process"]


class App:
    """Activities, orchestrations and entities under their names.

    `converter` replaces `perdure.default_converter()`; `payload_bytes_max` caps each payload;
    `default_version` is the version of instances that are started by name without one;
    `token_provider` gets the access tokens of HTTP calls with a `TokenSource`, in a worker thread.
    """

    def __init__(
        self,
        name: str = "app",
        *,
        converter: Converter | None = None,
        default_version: str | None = None,
        payload_bytes_max: int = PAYLOAD_BYTES_MAX,
        token_provider: TokenProvider | None = None,
    ) -> None:
        self.name = name
        self.codec = Codec(converter, payload_bytes_max)
        self.default_version = default_version
        self.token_provider = token_provider
        self.http_poll_interval = POLL_INTERVAL
        """How often an HTTP call asks again after a 202 that does not say."""
        self.built_in: dict[str, ActivityDefinition] = {}
        """Activities that every App has, besides those that a user registers."""
        self.activities: dict[str, ActivityDefinition] = {}
        self.orchestrations: dict[tuple[str, str | None], OrchestrationDefinition] = {}
        self.entities: dict[str, EntityDefinition] = {}
        self._by_callable: dict[tuple[str, Any], Any] = {}

    def __repr__(self) -> str:
        return (
            f"<App {self.name}: {len(self.activities)} activities, "
            f"{len(self.orchestrations)} orchestrations, {len(self.entities)} entities>"
        )

    @overload
    def activity(
        self,
        function: F,
        /,
        *,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: timedelta | float | None = None,
        max_concurrency: int | None = None,
        executor: Executor | None = None,
        shared: bool = False,
    ) -> F: ...
    @overload
    def activity(
        self,
        /,
        *,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: timedelta | float | None = None,
        max_concurrency: int | None = None,
        executor: Executor | None = None,
        shared: bool = False,
    ) -> Callable[[F], F]: ...
    def activity(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: timedelta | float | None = None,
        max_concurrency: int | None = None,
        executor: Executor | None = None,
        shared: bool = False,
    ) -> Any:
        """Register an activity; its name is the function's unless `name` says otherwise.

        `retry` and `timeout` (of one attempt, in seconds) hold for calls that do not set their
        own. At most `max_concurrency` run at once. A sync function runs in a worker thread, or
        with `executor="process"` in a worker process. Of a hub in PostgreSQL any worker may run a
        `shared` one; elsewhere there is but one, and this makes no difference.
        """

        def register(function: F) -> F:
            made = _activity(function, name, retry, timeout, max_concurrency, executor)
            self._add_activity(evolve(made, shared=shared))
            return function

        return register if function is None else register(function)

    @overload
    def orchestration(
        self, function: F, /, *, name: str | None = None, version: str | None = None
    ) -> F: ...
    @overload
    def orchestration(
        self, /, *, name: str | None = None, version: str | None = None
    ) -> Callable[[F], F]: ...
    def orchestration(
        self, function: Any = None, /, *, name: str | None = None, version: str | None = None
    ) -> Any:
        """Register an orchestrator: async, generator or plain function of a context and inputs.

        Several versions may stand side by side under one name.
        """

        def register(function: F) -> F:
            self._add_orchestration(_orchestration(function, name, version))
            return function

        return register if function is None else register(function)

    @overload
    def entity(self, entity: F, /, *, name: str | None = None) -> F: ...
    @overload
    def entity(self, /, *, name: str | None = None) -> Callable[[F], F]: ...
    def entity(self, entity: Any = None, /, *, name: str | None = None) -> Any:
        """Register an entity: a class whose instance is the state, or a function of a context."""

        def register(entity: F) -> F:
            self._add_entity(_entity(entity, name), entity)
            return entity

        return register if entity is None else register(entity)

    def copy(self) -> Self:
        """The same registrations, in an App that can be changed without changing this one."""
        copied = copy(self)
        for registry in ("built_in", "activities", "orchestrations", "entities", "_by_callable"):
            setattr(copied, registry, dict(getattr(self, registry)))
        return copied

    def include(self, other: "App") -> None:
        """Register everything that `other` has, or nothing.

        Raises `RegistrationError` for a name that is taken here already.
        """
        for activity in other.activities.values():
            self._check_activity(activity)
        for orchestration in other.orchestrations.values():
            self._check_orchestration(orchestration)
        for entity in other.entities.values():
            self._check_entity(entity)
        for activity in other.activities.values():
            self._add_activity(activity)
        for orchestration in other.orchestrations.values():
            self._add_orchestration(orchestration)
        for entity in other.entities.values():
            self._add_entity(entity, entity.state_type if entity.kind == "class" else entity.make)

    def replace_activity(self, definition: ActivityDefinition) -> None:
        """Put another definition in the place of the activity with its name, for tests."""
        if definition.name not in self.activities and definition.name in self.built_in:
            self.built_in[definition.name] = definition
            return
        replaced = self.activities[definition.name]
        self.activities[definition.name] = definition
        self._by_callable["activity", replaced.function] = definition
        for key, known in list(self._by_callable.items()):
            if known is replaced:
                self._by_callable[key] = definition

    def activity_of(self, target: str | Callable[..., Any]) -> ActivityDefinition:
        """The activity of that name or function; raises `DefinitionNotFoundError`."""
        if isinstance(target, str):
            found = self.activities.get(target) or self.built_in.get(target)
        else:
            found = self._by_callable.get(("activity", target))
        if found is None:
            raise DefinitionNotFoundError("activity", _shown(target), list(self.activities))
        return found

    def activity_name(self, target: str | Callable[..., Any]) -> str:
        """The name of an activity's function; texts pass."""
        return target if isinstance(target, str) else self.activity_of(target).name

    def orchestration_of(
        self, target: str | Callable[..., Any], version: str | None = None
    ) -> OrchestrationDefinition:
        """The orchestration of that function, or of that name and version.

        A function stands for its name when another version than its own is asked for. A version
        that is not there falls back to the unversioned definition only if no other version exists.
        By name alone it is the App's default version, else the unversioned definition, else the
        highest version. Raises `DefinitionNotFoundError`.
        """
        if not isinstance(target, str):
            found = self._by_callable.get(("orchestration", target))
            if found is not None and version not in (None, found.version):
                return self.orchestration_of(found.name, version)
        elif version is None:
            found = self._newest(target)
        else:
            found = self.orchestrations.get((target, version))
            if found is None and len(self._versions(target)) == 1:
                found = self.orchestrations.get((target, None))
        if found is None:
            shown = _shown(target) + (f" version {version}" if version else "")
            known = [n + (f" version {v}" if v else "") for n, v in self.orchestrations]
            raise DefinitionNotFoundError("orchestration", shown, known)
        definition: OrchestrationDefinition = found
        return definition

    def recorded_orchestration(self, name: str, version: str | None) -> OrchestrationDefinition:
        """The definition for an instance that was started with exactly this version, or none."""
        if version is None and (name, None) not in self.orchestrations:
            raise DefinitionNotFoundError(
                "orchestration", f"{name} without version", [n for n, _ in self.orchestrations]
            )
        return self.orchestration_of(name, version) if version else self.orchestrations[name, None]

    def entity_of(self, target: str | Callable[..., Any]) -> EntityDefinition:
        """The entity of that name, class or function; raises `DefinitionNotFoundError`."""
        found = self.entities.get(self.entity_name(target))
        if found is None:
            raise DefinitionNotFoundError("entity", _shown(target), list(self.entities))
        return found

    def entity_name(self, target: str | Callable[..., Any]) -> str:
        """The name of an entity's class or function; texts pass, in lower case."""
        if isinstance(target, str):
            return target.lower()
        found = self._by_callable.get(("entity", target))
        if found is None:
            raise DefinitionNotFoundError("entity", _shown(target), list(self.entities))
        name: str = found.name
        return name

    def _versions(self, name: str) -> list[str | None]:
        return [version for known, version in self.orchestrations if known == name]

    def _newest(self, name: str) -> OrchestrationDefinition | None:
        for version in (self.default_version, None):
            if (name, version) in self.orchestrations:
                return self.orchestrations[name, version]
        versions = [version for version in self._versions(name) if version is not None]
        return self.orchestrations[name, max(versions, key=version_key)] if versions else None

    def _check_activity(self, definition: ActivityDefinition) -> None:
        if definition.name in self.activities:
            raise _twice("activity", definition.name)

    def _add_activity(self, definition: ActivityDefinition) -> None:
        self._check_activity(definition)
        self.activities[definition.name] = definition
        self._by_callable.setdefault(("activity", definition.function), definition)

    def _check_orchestration(self, definition: OrchestrationDefinition) -> None:
        if (definition.name, definition.version) in self.orchestrations:
            raise RegistrationError(
                definition.name,
                "an orchestration of that name and version is registered already; "
                "give this one another name= or version=",
            )

    def _add_orchestration(self, definition: OrchestrationDefinition) -> None:
        self._check_orchestration(definition)
        self.orchestrations[definition.name, definition.version] = definition
        self._by_callable.setdefault(("orchestration", definition.function), definition)

    def _check_entity(self, definition: EntityDefinition) -> None:
        if definition.name in self.entities:
            raise _twice("entity", definition.name)
        if definition.kind == "function":
            return
        try:
            self.codec.converter.get_structure_hook(definition.state_type)
        except StructureHandlerNotFoundError as error:
            raise RegistrationError(
                definition.name,
                f"nothing says which state {definition.make.__name__} has; decorate it with "
                "@attrs.define or @dataclass, or add a hook for it to the App's converter",
            ) from error

    def _add_entity(self, definition: EntityDefinition, entity: Any) -> None:
        self._check_entity(definition)
        self.entities[definition.name] = definition
        self._by_callable.setdefault(("entity", entity), definition)


def version_key(version: str) -> tuple[int, list[int], str]:
    """Orders versions: dotted numbers by number, above all others; those by text in any case."""
    if re.fullmatch(r"\d+(\.\d+)*", version):
        return 1, [int(part) for part in version.split(".")], ""
    return 0, [], version.casefold()


def _shown(target: Any) -> str:
    return target if isinstance(target, str) else getattr(target, "__qualname__", repr(target))


def _twice(kind: str, name: str) -> RegistrationError:
    article = "an" if kind[0] in "aeo" else "a"
    return RegistrationError(
        name, f"{article} {kind} of that name is registered already; give this one another name="
    )


def _name(function: Any, name: str | None) -> str:
    if not callable(function):
        raise RegistrationError(repr(function), "it is not callable")
    own = name if name is not None else getattr(function, "__name__", "")
    if not own or own == "<lambda>":
        raise RegistrationError(own or repr(function), "it has no name of its own; pass name=")
    return own


def _kind(function: Callable[..., Any]) -> Literal["plain", "async", "generator", "stream"]:
    """How a callable works; an async generator is a stream."""
    called = underlying(function)
    if inspect.isasyncgenfunction(called):
        return "stream"
    if inspect.isgeneratorfunction(called):
        return "generator"
    return "async" if inspect.iscoroutinefunction(called) else "plain"


def _activity(
    function: Any,
    given: str | None,
    retry: RetryPolicy | None,
    timeout: timedelta | float | None,
    max_concurrency: int | None,
    executor: Executor | None,
) -> ActivityDefinition:
    name = _name(function, given)
    if _kind(function) in ("generator", "stream"):
        raise RegistrationError(name, "an activity returns a value; it cannot be a generator")
    if max_concurrency is not None and max_concurrency < 1:
        raise RegistrationError(name, f"max_concurrency must be at least 1, not {max_concurrency}")
    parameters = parameters_of(function, name)
    position = context_among(parameters, "ActivityContext", name)
    inputs = [parameter for at, parameter in enumerate(parameters) if at != position]
    return ActivityDefinition(
        name,
        function,
        signature_of(function, name, inputs),
        position is not None,
        _executor(function, name, executor),
        retry,
        _seconds(name, timeout),
        max_concurrency,
        position or 0,
    )


def _executor(
    function: Any, name: str, executor: Executor | None
) -> Literal["loop", "thread", "process"]:
    if executor not in (None, *get_args(Executor)):
        raise RegistrationError(name, f'executor is "thread" or "process", not {executor!r}')
    is_async = _kind(function) == "async"
    if executor == "process" and (
        is_async or not inspect.isroutine(function) or "<locals>" in function.__qualname__
    ):
        raise RegistrationError(
            name, 'executor="process" needs a sync function at the top level of a module'
        )
    if executor == "thread" and is_async:
        raise RegistrationError(name, "an async activity runs on the event loop, not in a thread")
    return "loop" if is_async else executor or "thread"


def _seconds(name: str, timeout: timedelta | float | None) -> float | None:
    if timeout is None:
        return None
    try:
        return seconds_of(timeout)
    except (TypeError, ValueError) as error:
        raise RegistrationError(name, str(error)) from error


def _orchestration(
    function: Any, given: str | None, version: str | None
) -> OrchestrationDefinition:
    name = _name(function, given)
    style = _kind(function)
    if style == "stream":
        raise RegistrationError(name, "async def with yield is not possible; await instead")
    parameters = parameters_of(function, name)
    _check_context_first(parameters, "OrchestrationContext", name)
    signature = signature_of(function, name, parameters[1:])
    if not signature.inputs:
        signature = evolve(signature, loose=True)
    return OrchestrationDefinition(name, version, function, signature, style)


def _check_context_first(parameters: list[inspect.Parameter], kind: str, name: str) -> None:
    """A first parameter with another annotation is an input, whose context was forgotten."""
    first = parameters[0] if parameters else None
    if first is None or first.kind in (first.KEYWORD_ONLY, first.VAR_KEYWORD):
        raise RegistrationError(name, f"its first parameter has to be the {kind}")
    annotation = first.annotation
    if annotation in (first.empty, Any, object) or is_context(annotation, kind):
        return
    if isinstance(annotation, (str, TypeVar)):
        return
    shown = getattr(annotation, "__name__", str(annotation))
    raise RegistrationError(
        name, f"its first parameter has to be the {kind}, but {first.name!r} is annotated {shown}"
    )


def _entity(entity: Any, given: str | None) -> EntityDefinition:
    name = _name(entity, given).lower()
    if "@" in name:
        raise RegistrationError(name, "an entity's name has no '@' in it")
    if not isinstance(entity, type):
        if _kind(entity) in ("generator", "stream"):
            raise RegistrationError(name, "an entity cannot be a generator; return, or await")
        parameters = parameters_of(entity, name)
        if len(parameters) != 1:
            raise RegistrationError(name, "a function entity takes exactly the EntityContext")
        _check_context_first(parameters, "EntityContext", name)
        return EntityDefinition(name, "function", entity)
    if inspect.isabstract(entity):
        missing = ", ".join(sorted(getattr(entity, "__abstractmethods__", ())))
        raise RegistrationError(name, f"{entity.__name__} is abstract; it lacks {missing}")
    try:
        inspect.signature(entity).bind()
    except TypeError as error:
        raise RegistrationError(
            name, f"its first state is made by {entity.__name__}() without arguments: {error}"
        ) from error
    return EntityDefinition(name, "class", entity, entity, _operations(entity, name))


def _operations(cls: type, entity: str) -> dict[str, Operation]:
    operations: dict[str, Operation] = {}
    for name in dir(cls):
        function = inspect.getattr_static(cls, name)
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        if name.casefold() in operations:
            other = operations[name.casefold()].name
            raise RegistrationError(
                entity, f"operations {other!r} and {name!r} differ only in case"
            )
        operations[name.casefold()] = _operation(function, name, entity, cls)
    return operations


def _operation(function: Callable[..., Any], name: str, entity: str, cls: type) -> Operation:
    shown = f"{entity}.{name}"
    if _kind(function) in ("generator", "stream"):
        raise RegistrationError(shown, "an operation cannot be a generator; return, or await")
    parameters = parameters_of(function, shown, cls)[1:]
    position = context_among(parameters, "EntityContext", shown)
    inputs = [parameter for at, parameter in enumerate(parameters) if at != position]
    return Operation(
        name,
        function,
        signature_of(function, shown, inputs, cls),
        position is not None,
        inspect.iscoroutinefunction(function),
        position or 0,
    )
