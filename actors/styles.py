"""The styles of orchestrators; a generator is run as a coroutine."""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, TypeGuard


def is_coroutine(value: Any) -> TypeGuard[Coroutine[Any, Any, Any]]:
    """Whether an async orchestrator was called."""
    return isinstance(value, Coroutine)


def is_generator(value: Any) -> TypeGuard[Generator[Any, Any, Any]]:
    """Whether a generator-style orchestrator was called."""
    return isinstance(value, Generator)


def awaited(wanted: Any) -> Awaitable[Any]:
    """What an orchestrator has yielded, if it can be awaited; raises `TypeError`."""
    if isinstance(wanted, (list, tuple)):
        raise TypeError("yield context.task_all([...]) instead of a list of tasks")
    if not _is_awaitable(wanted):
        raise TypeError(
            f"an orchestrator yields tasks, which the context's calls return, "
            f"not {type(wanted).__qualname__}"
        )
    return wanted


def _is_awaitable(value: Any) -> TypeGuard[Awaitable[Any]]:
    return isinstance(value, Awaitable)


def _never() -> bool:
    return False


async def drive(
    generator: Generator[Any, Any, Any],
    task_of: Callable[[Any], Awaitable[Any]] = awaited,
    is_over: Callable[[], bool] = _never,
) -> Any:
    """Run a generator-style orchestrator: it yields tasks and is sent their results.

    `task_of` refuses what it may not yield. It is left at the first yield after which it `is_over`.
    """
    error: BaseException | None = None
    value: Any = None
    while True:
        try:
            wanted = generator.send(value) if error is None else generator.throw(error)
        except StopIteration as stop:
            return stop.value
        if is_over():
            with suppress(RuntimeError):  # It yields in a `finally`, and is left there as well.
                generator.close()
            return None
        value, error = None, None
        try:
            value = await task_of(wanted)
        except GeneratorExit:
            generator.close()
            raise
        except BaseException as raised:  # noqa: BLE001 - the generator decides what to do with it
            error = raised
