"""Calling a function of the app, on the event loop or in a thread, with what its bindings give."""

import os
import threading
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.to_thread
from attrs import Factory, define, field, frozen

from perdure.runtime.clock import IdSource

from .client_binding import ClientBindings
from .model import Function
from .signatures import CONTEXT

THREADS_SETTING = "PYTHON_THREADPOOL_THREAD_COUNT"
"""How many functions that are not async run at once, as with the Functions host's worker."""

_local = threading.local()


@define(eq=False)
class Output:
    """What a function gets for an output binding: the methods of `func.Out`."""

    _value: Any = None

    def set(self, val: Any) -> None:
        """Set what goes out."""
        self._value = val

    def get(self) -> Any:
        """What was set last."""
        return self._value


@define
class Trace:
    """Whose call an invocation is part of, as the caller says."""

    trace_parent: str = ""
    trace_state: str = ""
    attributes: dict[str, str] = Factory(dict[str, str])


@define
class InvocationContext:
    """What a parameter named `context` gets: the properties of `func.Context`."""

    invocation_id: str
    function_name: str
    function_directory: str
    trace_context: Trace = Factory(Trace)
    retry_context: Any = None
    thread_local_storage: Any = field(default=_local, repr=False)


@frozen
class Outcome:
    """What a function has given back."""

    returned: Any
    outputs: dict[str, Any]
    """What was set, by the name of the output binding."""


class Caller:
    """Calls functions. Those that are not async share a number of threads."""

    def __init__(self, clients: Callable[[], ClientBindings], new_id: IdSource) -> None:
        self._clients = clients
        self._new_id = new_id
        said = os.environ.get(THREADS_SETTING, "")
        usual = min(32, (os.cpu_count() or 1) + 4)  # The worker's own default.
        self._threads = anyio.CapacityLimiter(max(1, int(said)) if said.isdecimal() else usual)

    async def call(
        self, function: Function, value: Any, trace: Trace | None = None, retry: Any = None
    ) -> Outcome:
        """Call a function with its trigger's value; what it raises is raised."""
        arguments = {function.trigger.name: value}
        for client in function.clients:
            arguments[client.name] = self._clients().text(function, client)
        outputs = {b.name: Output() for b in function.outputs if b.name in function.parameters}
        arguments |= outputs
        if CONTEXT in function.parameters and CONTEXT not in arguments:
            arguments[CONTEXT] = self._context(function, trace or Trace(), retry)
        call = partial(function.call, **arguments)
        if function.is_async:
            returned = await call()
        else:
            returned = await anyio.to_thread.run_sync(call, limiter=self._threads)
        return Outcome(returned, {name: output.get() for name, output in outputs.items()})

    def _context(self, function: Function, trace: Trace, retry: Any) -> InvocationContext:
        folder = str(function.file.parent)
        return InvocationContext(self._new_id(), function.name, folder, trace, retry)


def retry_context(attempt: int, most: int, error: BaseException | None) -> Any:
    """The properties of `func.RetryContext`."""
    said = SimpleNamespace(source="", stack_trace="", message=str(error)) if error else None
    return SimpleNamespace(retry_count=attempt, max_retry_count=most, exception=said)
