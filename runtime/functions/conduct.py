"""Runs orchestrators of the 1.x model on the engine's kernel: generators, or functions."""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

from perdure.actors.styles import is_coroutine, is_generator

from .orchestration_context import DurableOrchestrationContext
from .tasks import DurableTask


async def conduct(orchestrator: Callable[[Any], Any], context: DurableOrchestrationContext) -> Any:
    """Run an orchestrator to its end, or to its first yield after `continue_as_new`."""
    value = orchestrator(context)
    if is_generator(value):
        return await _drive(value, context)
    return await value if is_coroutine(value) else value


async def _drive(generator: Generator[Any, Any, Any], context: DurableOrchestrationContext) -> Any:
    error: BaseException | None = None
    value: Any = None
    while True:
        try:
            wanted = generator.send(value) if error is None else generator.throw(error)
        except StopIteration as stop:
            return stop.value
        if context.will_continue_as_new:
            with suppress(RuntimeError):  # It yields in a `finally`: 1.x leaves it there as well.
                generator.close()
            return None
        value, error = None, None
        try:
            value = await _task(wanted)
        except GeneratorExit:
            generator.close()
            raise
        except BaseException as raised:  # noqa: BLE001 - the generator decides what to do with it
            error = raised


def _task(wanted: Any) -> DurableTask:
    if isinstance(wanted, DurableTask):
        return wanted
    if isinstance(wanted, (list, tuple)):
        raise TypeError("yield context.task_all([...]) instead of a list of tasks")
    raise TypeError(
        f"an orchestrator yields tasks, which the context's calls return, "
        f"not {type(wanted).__qualname__}"
    )
