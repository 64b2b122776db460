"""How a command ends: its exit status, and one line that says what went wrong and what to do."""

import os
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import cast

import typer

from perdure.actors.errors import (
    ArityError,
    InstanceAlreadyExistsError,
    InstanceIdError,
    InstanceNotFoundError,
    InstanceStateError,
    PayloadError,
    PayloadTooLargeError,
    StoreInUseError,
    StoreNotFoundError,
)
from perdure.actors.identity import is_entity
from perdure.persistence.moving import NotEmptyError
from perdure.persistence.paging import PageTokenError

OK = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
CONFLICT = 4
TIMED_OUT = 5
INTERRUPTED = 130
BROKEN_PIPE = 141


class CommandError(Exception):
    """Ends a command with this message, which names the fix, and with this exit status."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


_CODES: list[tuple[type[Exception] | tuple[type[Exception], ...], int]] = [
    ((InstanceNotFoundError, StoreNotFoundError), NOT_FOUND),
    ((InstanceStateError, InstanceAlreadyExistsError, StoreInUseError, NotEmptyError), CONFLICT),
    (TimeoutError, TIMED_OUT),
    ((ArityError, InstanceIdError, PageTokenError, PayloadError, PayloadTooLargeError), USAGE),
]


def code_of(error: BaseException) -> int:
    """The exit status that tells of this error."""
    if isinstance(error, CommandError):
        return error.code
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return code
    return FAILED


def tell(error: BaseException) -> None:
    """Say on stderr, in one line, what is wrong."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, InstanceNotFoundError) and is_entity(error.instance_id):
        text += "; `perdure entity read` and `perdure entity list` show entities"
    elif isinstance(error, InstanceNotFoundError):
        text += "; `perdure list` and `perdure entity list` show what there is"
    _say(text)


@contextmanager
def telling(*, debug: bool) -> Generator[None]:
    """Run a command; whatever it raises becomes one line and an exit status."""
    try:
        yield
        sys.stdout.flush()
    except (typer.Exit, typer.Abort, typer.TyperException):
        raise
    except KeyboardInterrupt:
        _say("interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except BaseException as raised:  # noqa: BLE001 - the user gets to see no traceback
        error = _alone(raised)
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(INTERRUPTED) from None
        if isinstance(error, BrokenPipeError):
            _let_go_of_stdout()
            raise typer.Exit(BROKEN_PIPE) from None
        if debug:
            traceback.print_exception(raised)
        tell(error)
        raise typer.Exit(code_of(error)) from None


def _say(text: str) -> None:
    with suppress(BrokenPipeError):
        sys.stderr.write(f"perdure: {text}\n")
        sys.stderr.flush()


def _alone(error: BaseException) -> BaseException:
    """What is in a group of one."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    return _alone(group.exceptions[0]) if len(group.exceptions) == 1 else group


def _let_go_of_stdout() -> None:
    """Nobody reads it any more; at its end Python would try once more, and complain."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
