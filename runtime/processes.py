"""Sync functions in worker processes; loaded when one is needed, as it takes pickle and more."""

import pickle
import signal
import sys
from collections.abc import Callable
from subprocess import DEVNULL
from typing import Any

import anyio
import anyio.to_process

from ..actors.failure import FailureDetails, details_of
from .elsewhere import FailedElsewhereError

_IMPORT = """
import ast, os, runpy, sys
sys.path = ast.literal_eval(sys.argv[2])
if os.path.isfile(sys.argv[1]):
    runpy.run_path(sys.argv[1], run_name="__mp_main__")
"""
_IMPORT_SECONDS_MAX = 20


class WorkerProcessError(RuntimeError):
    """A worker process, or the way to or from it, failed the function that it was to run."""


async def run_in_process(
    name: str,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    limiter: anyio.CapacityLimiter,
) -> Any:
    """Call the function in a worker process, which is killed when the caller is cancelled.

    Raises `FailedElsewhereError` for what it raised, and `WorkerProcessError` when the process
    died, or when something cannot be sent to or from it.
    """
    try:
        call = pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        text = f"activity {name!r} or its input cannot be sent to a process: {error}"
        raise WorkerProcessError(text) from error
    try:
        succeeded, answer = await anyio.to_process.run_sync(
            in_child, name, call, cancellable=True, limiter=limiter
        )
    except anyio.BrokenWorkerProcess as error:
        raise WorkerProcessError(await _why_broken(name, error)) from None
    if not succeeded:
        raise FailedElsewhereError(pickle.loads(answer))  # noqa: S301 - from our own child
    try:
        return pickle.loads(answer)  # noqa: S301 - from our own child
    except Exception as error:
        raise WorkerProcessError(f"the result of {name} cannot be received: {error}") from error


async def _why_broken(name: str, error: anyio.BrokenWorkerProcess) -> str:
    """Tell whether the process died of the activity, or of importing the program before it."""
    main = getattr(sys.modules["__main__"], "__file__", None)
    ending = await _importing(main, error) if main is not None else None
    if ending is None:
        return f"the worker process died while it ran activity {name!r}"
    return (
        f"the worker process for activity {name!r} did not get through importing the main module "
        f"{main} ({ending}): put what only the program itself shall do under "
        "'if __name__ == \"__main__\":'"
    )


async def _importing(main: str, error: anyio.BrokenWorkerProcess) -> str | None:
    """How importing the main module ends in a process, or None when it ends well."""
    if error.args and error.__cause__ is not None:
        return repr(error.__cause__)
    # The broken process has left nothing but its death, so that another one has to try.
    command = [sys.executable, "-c", _IMPORT, main, repr(sys.path)]
    with anyio.move_on_after(_IMPORT_SECONDS_MAX):
        done = await anyio.run_process(
            command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, check=False
        )
        return f"exit code {done.returncode}" if done.returncode else None
    return f"it takes longer than {_IMPORT_SECONDS_MAX} s"


def in_child(name: str, call: bytes) -> tuple[bool, bytes]:
    """Run a pickled call, in the process; returns whether it succeeded and its pickled outcome.

    Exceptions never cross as themselves: many cannot be unpickled.
    """
    # Ctrl-C reaches all processes of a terminal; the parent decides what becomes of this one.
    signal.signal(signal.SIGINT, _ignore)
    try:
        function, arguments = pickle.loads(call)  # noqa: S301 - from our own parent
        value = function(*arguments)
    except BaseException as error:  # noqa: BLE001 - whatever it is fails the call
        return False, _pickled(details_of(error))
    try:
        return True, pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - a user's __reduce__ may do anything
        text = f"the result of {name} ({type(value).__name__}) cannot be sent: {error}"
        return False, _pickled(details_of(WorkerProcessError(text)))


def _ignore(_: int, __: object) -> None:
    """Do nothing; other than SIG_IGN it is not passed on to the programs that activities run."""


def _pickled(details: FailureDetails) -> bytes:
    try:
        return pickle.dumps(details, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - the properties may hold anything
        plain = FailureDetails(
            details.type, details.message, details.stack, non_retriable=details.non_retriable
        )
        return pickle.dumps(plain, pickle.HIGHEST_PROTOCOL)
