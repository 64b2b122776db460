"""A failure as data: what is left of an exception once it has to outlive its process."""

import traceback
from collections.abc import Mapping
from typing import Any, cast

from attrs import Factory, frozen

STACK_CHARACTERS_MAX = 16_384
INNER_DEPTH_MAX = 8

_ENGINE = {"perdure", "anyio", "trio", "outcome", "asyncio", "threading", "concurrent", "cattrs"}
"""The packages through which user code is called."""


ExceptionClass = type[BaseException]


@frozen
class FailureDetails:
    """What went wrong in an activity, an orchestration or an entity operation."""

    type: str
    """Qualified name of the exception's class, for instance `bank.InsufficientFunds`."""
    message: str
    """The exception's own text."""
    stack: str | None = None
    """The traceback as text from the user's own frames on, at most `STACK_CHARACTERS_MAX`
    characters of its end."""
    inner: "FailureDetails | None" = None
    """What caused it: the `__cause__`, or the failure of the task that was awaited."""
    non_retriable: bool = False
    """Whether a retry policy must not try again."""
    properties: Mapping[str, Any] = Factory(dict[str, Any])
    """Whatever JSON the exception chose to say of itself by a `failure_properties()` method."""

    def is_caused_by(self, exception: ExceptionClass | str) -> bool:
        """Whether this failure or one inside it is of that class, by its qualified name.

        A string may also be the bare class name. Base classes are not known any more: only the
        class that was raised counts.
        """
        wanted = exception if isinstance(exception, str) else qualified_name(exception)
        own = self.type == wanted or self.type.rpartition(".")[2] == wanted
        return own or (self.inner is not None and self.inner.is_caused_by(wanted))

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


def qualified_name(cls: type) -> str:
    """`module.Class`, or only `Class` for a builtin."""
    if cls.__module__ == "builtins":
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


def details_of(error: BaseException, *, depth: int = 0) -> FailureDetails:
    """Turn an exception into data, its causes included."""
    return FailureDetails(
        type=qualified_name(type(error)),
        message=_message(error),
        stack=_stack(error),
        inner=_inner(error, depth),
        non_retriable=bool(getattr(error, "non_retriable", False)),
        properties=_properties(error),
    )


def _message(error: BaseException) -> str:
    try:
        return storable(str(error))
    except Exception as broken:  # noqa: BLE001 - a user's __str__ may do anything
        return f"<the error's own text could not be made: {broken!r}>"


def _stack(error: BaseException) -> str:
    told = traceback.TracebackException.from_exception(error, compact=True)
    _begin_with_the_user(told, error)
    return storable("".join(told.format(chain=False))[-STACK_CHARACTERS_MAX:])


def _begin_with_the_user(told: traceback.TracebackException, error: BaseException) -> None:
    """Leave out the frames that called the user's code, unless there are no others."""
    frames = traceback.walk_tb(error.__traceback__)
    modules = (str(frame.f_globals.get("__name__")) for frame, _ in frames)
    users = (n for n, name in enumerate(modules) if name.partition(".")[0] not in _ENGINE)
    del told.stack[: next(users, 0)]
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for inner, raised in zip(told.exceptions or (), group.exceptions, strict=False):
            _begin_with_the_user(inner, raised)


def storable(text: str) -> str:
    """The text with lone surrogates, which no store takes, written as escapes."""
    return text.encode(errors="backslashreplace").decode()


def _inner(error: BaseException, depth: int) -> FailureDetails | None:
    carried = getattr(error, "details", None)
    if isinstance(carried, FailureDetails):
        return carried
    cause = error.__cause__
    if cause is None and isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        cause = group.exceptions[0]
    if cause is None or depth >= INNER_DEPTH_MAX:
        return None
    return details_of(cause, depth=depth + 1)


def _properties(error: BaseException) -> Mapping[str, Any]:
    say = getattr(error, "failure_properties", None)
    if not callable(say):
        return {}
    try:
        said: Any = say()
    except Exception:  # noqa: BLE001 - describing a failure must never replace it
        return {}
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}
