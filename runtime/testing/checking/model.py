"""The sequential model of an entity: its own code, on a copy of its state, and nobody else."""

import asyncio
from collections.abc import Callable

from attrs import evolve

from perdure.actors.app import App
from perdure.actors.effects import AsyncOperation, Effects
from perdure.actors.entity import Entity
from perdure.actors.history import (
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationSignaled,
)
from perdure.actors.messages import Message
from perdure.runtime.outcome import outcome_of

from ..virtual_loop import VirtualLoop
from .linear import Deed, State

Request = EntityOperationCalled | EntityOperationSignaled
Answer = tuple[str, str | None]
"""`done` with the result as JSON, `failed` with the type of the error, or `signal`."""

PASSES_MAX = 100_000


class EntityModel:
    """Applies operations to states, each pair once."""

    def __init__(self, app: App, entity_id: str) -> None:
        self._app = app
        self._id = entity_id
        self._known: dict[tuple[State, str, str | None, bool], tuple[object, State]] = {}
        self.now = 0
        """What the code is told of the time."""

    def apply(self, state: State, deed: Deed) -> tuple[object, State]:
        """The answer of an operation in a state, and the state after it."""
        request: Request = deed.what
        called = isinstance(request, EntityOperationCalled)
        key = state, request.operation, request.input, called
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._run(state, request)
        return found

    def depends_on_time(self) -> bool:
        """Whether the code gives other answers at another time: then no order can be found."""
        model = EntityModel(self._app, self._id)
        model.now = self.now + 86_400_000_000
        return any(
            model._again(state, operation, payload, called=called) != found
            for (state, operation, payload, called), found in self._known.items()
        )

    def _again(
        self, state: State, operation: str, payload: str | None, *, called: bool
    ) -> tuple[object, State]:
        kind: Callable[..., Request] = EntityOperationCalled if called else EntityOperationSignaled
        return self._run(state, kind(0, -1, "again", operation, self._id, payload))

    def _run(self, state: State, request: Request) -> tuple[object, State]:
        if isinstance(request, EntityOperationCalled):
            request = evolve(request, parent_instance_id="", trace=None)
        entity = Entity(self._id, self._app, lambda: f"{0:032x}", 1, state)
        entity.inbox.append(Message(self._id, request))
        effects = entity.step(self.now)
        if effects.operation is not None:
            effects = self._awaited(entity, effects.operation)
        return _answer(effects), entity.state

    def _awaited(self, entity: Entity, operation: AsyncOperation) -> Effects:
        """Run an async operation to its end, in virtual time."""
        running = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        loop = VirtualLoop(PASSES_MAX)
        try:
            value, error = loop.run_until_complete(outcome_of(operation.coro))
            return entity.conclude(operation, value, error, self.now)
        finally:
            loop.bury()
            asyncio._set_running_loop(running)


def _answer(effects: Effects) -> Answer:
    for reply in effects.replies:
        if isinstance(reply, EntityOperationCompleted):
            return "done", reply.output
        return "failed", reply.failure.type
    return "signal", None
