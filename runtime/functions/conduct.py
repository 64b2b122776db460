"""Runs orchestrators of the 1.x model on the engine's kernel: generators, or functions."""

from collections.abc import Callable
from typing import Any

from perdure.actors.styles import awaited, drive, is_coroutine, is_generator

from .orchestration_context import DurableOrchestrationContext
from .tasks import DurableTask


async def conduct(orchestrator: Callable[[Any], Any], context: DurableOrchestrationContext) -> Any:
    """Run an orchestrator to its end, or to its first yield after `continue_as_new`."""
    value = orchestrator(context)
    if is_generator(value):
        return await drive(value, _task, lambda: context.will_continue_as_new)
    return await value if is_coroutine(value) else value


def _task(wanted: Any) -> DurableTask:
    task = awaited(wanted)
    if isinstance(task, DurableTask):
        return task
    raise TypeError(f"yield tasks of this context, not {type(wanted).__qualname__}")
