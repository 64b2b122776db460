"""Activities in a simulation: they take time, fail, hang, and are watched from outside.

All of them run on the event loop. A synchronous one takes no virtual time itself, and runs at once
at the end of its time, as a whole; when its time is cut short by a timeout or a termination, a
thread would go on, and so it runs all the same, while a worker process would be killed.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from attrs import evolve

from perdure.actors.activity_context import ActivityContext
from perdure.actors.app import App
from perdure.actors.definitions import ActivityDefinition
from perdure.actors.errors import NotDurableError, PerdureError

from ..checking.ledger import Attempt
from ..virtual_loop import MACHINE, MICROS
from .process import Process

if TYPE_CHECKING:
    from .world import World

LONG = 3_600 * MICROS


class InjectedError(Exception):
    """Raised by an activity because the simulation says so."""


def employ(app: App, world: "World") -> None:
    """Let the simulation run all activities of this App."""
    for name, built_in in list(app.built_in.items()):
        if built_in.executor != "loop":
            app.built_in[name] = evolve(built_in, function=partial(_refuse, name))
    for definition in [*app.activities.values(), *app.built_in.values()]:
        function = _Watched(definition, world, app).run
        app.replace_activity(
            evolve(
                definition,
                function=function,
                takes_context=True,
                context_position=0,
                executor="loop",
            )
        )


def _refuse(name: str, *_: object) -> None:
    raise NotDurableError(
        f"{name} in a simulation", "give it a stand-in: simulate(..., stubs={'" + name + "': ...})"
    )


class _Watched:
    """One activity of the App."""

    def __init__(self, definition: ActivityDefinition, world: "World", app: App) -> None:
        self._definition = definition
        self._world = world
        self._app = app

    async def run(self, context: ActivityContext, *arguments: Any) -> Any:
        """One attempt."""
        machine = MACHINE.get()
        assert isinstance(machine, Process)  # noqa: S101 - runtimes run nowhere else
        attempt = self._begin(machine, context)
        name = f"{context.name} of {context.instance_id}"
        try:
            value = await self._suffer(machine, context, arguments, name)
        except Exception as error:
            attempt.failure = type(error).__name__
            raise
        else:
            self._note_result(attempt, value)
            return value
        finally:
            attempt.ended = self._world.loop.tick()

    def _begin(self, machine: Process, context: ActivityContext) -> Attempt:
        world = self._world
        execution_id = context.idempotency_key.split("/")[-2]
        attempt = Attempt(
            context.instance_id, execution_id, context.task_id, context.attempt, context.name,
            machine.number, world.loop.tick(), world.disk.owner is machine,
        )  # fmt: skip
        ledger = world.disk.ledger
        assert ledger.attempts is not None  # noqa: S101 - a simulation watches
        ledger.attempts.append(attempt)
        world.tell(
            machine.name,
            f"begins {context.name} of {context.instance_id}, attempt {context.attempt}",
        )
        return attempt

    def _note_result(self, attempt: Attempt, value: object) -> None:
        # What cannot be written fails the activity, and not here.
        try:
            attempt.result = self._app.codec.write(value, "result")
        except PerdureError as error:
            attempt.failure = type(error).__name__

    async def _suffer(
        self, machine: Process, context: ActivityContext, arguments: tuple[Any, ...], name: str
    ) -> Any:
        world, misfortune = self._world, self._world.misfortune
        if misfortune.strikes("activity_hangs"):
            world.tell(machine.name, f"hangs in {name}")
            await anyio.sleep_forever()
        if misfortune.strikes("death_in_activity"):
            later = world.choices.delay("death_in_activity")
            world.loop.call_in(later, world.kill, machine, f"is killed while {name} runs")
        raises = self._may_be_repeated(context) and misfortune.strikes("activity_raises")
        too_late = raises and world.choices.below("too late", 2)
        if raises and not too_late:
            world.tell(machine.name, f"fails {name} before it has done anything")
            raise InjectedError(name)
        delay = world.choices.delay("activity")
        if misfortune.strikes("activity_slow"):
            delay += world.choices.stream("activity_slow").randint(0, LONG)
            world.tell(machine.name, f"is slow in {name}")
        value = await self._work(context, arguments, delay)
        if too_late:
            world.tell(machine.name, f"fails {name} after it has done its work")
            raise InjectedError(name)
        return value

    def _may_be_repeated(self, context: ActivityContext) -> bool:
        policy = self._definition.retry
        return policy is not None and context.attempt < policy.max_attempts

    async def _work(self, context: ActivityContext, arguments: tuple[Any, ...], micros: int) -> Any:
        definition, loop = self._definition, self._world.loop
        if definition.takes_context:
            position = definition.context_position
            arguments = definition.signature.with_context(arguments, position, context)
        function: Callable[..., Any] = definition.function
        due = loop.micros + micros
        try:
            await anyio.sleep(micros / MICROS)
        except BaseException:
            if definition.executor == "thread" and due > loop.micros:
                loop.call_in(due - loop.micros, function, *arguments)
            raise
        value = function(*arguments)
        return await value if inspect.isawaitable(value) else value
