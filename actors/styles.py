"""The styles of orchestrators; a generator is run as a coroutine."""

from collections.abc import Coroutine, Generator
from typing import Any, TypeGuard


def is_coroutine(value: Any) -> TypeGuard[Coroutine[Any, Any, Any]]:
    """Whether an async orchestrator was called."""
    return isinstance(value, Coroutine)


def is_generator(value: Any) -> TypeGuard[Generator[Any, Any, Any]]:
    """Whether a generator-style orchestrator was called."""
    return isinstance(value, Generator)


async def drive(generator: Generator[Any, Any, Any]) -> Any:
    """Run a generator-style orchestrator: it yields tasks and is sent their results."""
    error: BaseException | None = None
    value: Any = None
    while True:
        try:
            wanted = generator.send(value) if error is None else generator.throw(error)
        except StopIteration as stop:
            return stop.value
        value, error = None, None
        try:
            value = await _yielded(wanted)
        except GeneratorExit:
            generator.close()
            raise
        except BaseException as raised:  # noqa: BLE001 - the generator decides what to do with it
            error = raised


async def _yielded(wanted: Any) -> Any:
    if isinstance(wanted, list):
        raise TypeError("yield context.task_all([...]) instead of a list of tasks")
    if not hasattr(wanted, "__await__"):
        raise TypeError(
            f"an orchestrator yields tasks, which the context's calls return, "
            f"not {type(wanted).__qualname__}"
        )
    return await wanted
