"""From what user code names (a function, a method, a text) to a name and a payload."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from attrs import define

from .app import App
from .codec import Codec, checked_text
from .definitions import ActivityDefinition, Operation, OrchestrationDefinition
from .errors import DefinitionNotFoundError
from .history import Payload
from .identity import EntityId
from .retry import RetryPolicy

Reader = Callable[[Any], Any]


class PayloadReader:
    """Reads a payload as a type; one object, where a closure would be five."""

    __slots__ = ("_codec", "_path", "_type")

    def __init__(self, codec: Codec, type_: Any, path: str) -> None:
        self._codec = codec
        self._type = type_
        self._path = path

    def __call__(self, payload: Payload) -> Any:
        """The value; raises `PayloadError`."""
        return self._codec.read(payload, self._type, self._path)


Definition = ActivityDefinition | OrchestrationDefinition | Operation


@define
class ByName:
    """A call in the words of the log, and how to read its outcome."""

    name: str
    input: Payload
    read: Reader
    type: Any = Any
    version: str | None = None
    retry: RetryPolicy | None = None
    timeout: float | None = None


def checked_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """A copy of the tags; raises `TypeError` or `PayloadError` unless all are texts."""
    if tags is None:
        return {}
    whole = cast("object", tags)
    if not isinstance(whole, Mapping):
        raise TypeError(f"tags is a mapping of texts to texts, not {whole!r}")
    checked = dict(tags)
    given: dict[Any, Any] = {**checked}
    for key, value in given.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"tags are texts, not {key!r}: {value!r}")
        checked_text(key, "tags")
        checked_text(value, f"tags.{key}")
    return checked


def loose_input(codec: Codec, args: tuple[Any, ...], path: str) -> Payload:
    """The payload for a callable that only its name is known of."""
    if not args:
        return None
    return codec.write(args[0] if len(args) == 1 else list(args), path)


def activity_call(app: App, target: Any, args: tuple[Any, ...], returns: Any) -> ByName:
    """An activity by its function, or by a name that need not be registered here."""
    try:
        definition = app.activity_of(target)
    except DefinitionNotFoundError:
        if isinstance(target, str):
            return _unknown(app.codec, target, args, returns)
        raise
    call = _known(app.codec, definition, args, returns)
    call.retry, call.timeout = definition.retry, definition.timeout
    return call


def orchestration_call(
    app: App, target: Any, args: tuple[Any, ...], returns: Any, version: str | None
) -> ByName:
    """An orchestration by its function, or by a name that need not be registered here."""
    try:
        definition = app.orchestration_of(target, version)
    except DefinitionNotFoundError:
        if not isinstance(target, str):
            raise
        call = _unknown(app.codec, target, args, returns)
        call.version = None if version is None else checked_text(version, "version")
        return call
    call = _known(app.codec, definition, args, returns)
    call.version = version if version is not None else definition.version
    return call


def operation_call(
    app: App, entity: EntityId, target: Any, args: tuple[Any, ...], returns: Any
) -> ByName:
    """An operation by its method or name; the entity need not be registered here.

    Raises `OperationNotFoundError` for an operation that a registered class does not have.
    """
    name = target if isinstance(target, str) else target.__name__
    definition = app.entities.get(entity.name)
    if definition is None or definition.kind == "function" or definition.is_implicit(name):
        call = _unknown(app.codec, name, args, returns)
    else:
        operation = definition.operation(name)
        call = _known(app.codec, operation, args, returns)
    return call


def _known(codec: Codec, definition: Definition, args: tuple[Any, ...], returns: Any) -> ByName:
    signature = definition.signature
    type_ = returns if returns is not None else signature.returns
    return ByName(
        definition.name,
        signature.write(codec, args, f"input of {definition.name}"),
        PayloadReader(codec, type_, f"result of {definition.name}"),
        type_,
    )


def _unknown(codec: Codec, name: str, args: tuple[Any, ...], returns: Any) -> ByName:
    type_ = returns if returns is not None else Any
    return ByName(
        checked_text(name, "name"),
        loose_input(codec, args, f"input of {name}"),
        PayloadReader(codec, type_, f"result of {name}"),
        type_,
    )
