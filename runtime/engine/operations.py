"""Async operations of entities: each runs beside the loop while its entity waits for it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc

from ...actors.effects import AsyncOperation
from ...actors.entity import Entity
from ...actors.orchestration import Orchestration
from ..outcome import outcome_of
from .slot import Slot

if TYPE_CHECKING:
    from .partition import Partition


class Operations:
    """Those of one partition that run now."""

    def __init__(self, partition: "Partition") -> None:
        self._partition = partition
        self._group: anyio.abc.TaskGroup | None = None
        self._scopes: dict[anyio.CancelScope, Slot] = {}

    @property
    def running(self) -> int:
        """How many they are."""
        return len(self._scopes)

    def open(self, group: anyio.abc.TaskGroup) -> None:
        """Run them in this task group."""
        self._group = group

    def begin(self, slot: Slot, actor: Orchestration | Entity, operation: AsyncOperation) -> None:
        """Run one; its end is a turn of the entity, which takes no other until then."""
        if self._group is None or not isinstance(actor, Entity):
            operation.coro.close()
            return
        slot.busy = True
        scope = anyio.CancelScope()
        self._scopes[scope] = slot
        self._group.start_soon(self._await, slot, actor, operation, scope)

    async def _await(
        self, slot: Slot, actor: Entity, operation: AsyncOperation, scope: anyio.CancelScope
    ) -> None:
        partition = self._partition
        value: Any = None
        failure: BaseException | None = None
        if partition.pipeline.instruments is not None:
            partition.pipeline.instruments.operating(operation.message)
        try:
            with scope:
                value, failure = await outcome_of(operation.coro)
        finally:
            self._scopes.pop(scope, None)
            partition.bell.ring()
        if scope.cancel_called or partition.residents.slots.get(slot.id) is not slot:
            return
        slot.busy = False
        partition.absorb(slot, actor.conclude(operation, value, failure, partition.now()))
        partition.queue(slot)

    def cancel(self) -> None:
        """Nobody wants the outcome of any that runs now."""
        for scope in self._scopes:
            scope.cancel()

    def cancel_those(self, gone: Callable[[str], bool]) -> None:
        """Nobody here wants the outcomes of what these entities run now."""
        for scope, slot in self._scopes.items():
            if gone(slot.id):
                scope.cancel()
