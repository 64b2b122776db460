"""A partition is quiet only when nothing is under way anywhere."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from perdure import App, InstanceNotFoundError, Runtime
from perdure.runtime.clock import SystemClock, new_id
from perdure.runtime.host import Seams
from perdure.runtime.lanes import Done, InlineLane


class HeldLane(InlineLane):
    """Can keep back the outcome of what it ran."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.holding: anyio.Event | None = None
        self.held: list[Callable[[], None]] = []

    def submit(self, work: Callable[[], Any], done: Done) -> None:
        if self.holding is None:
            super().submit(work, done)
        else:
            self.held.append(lambda: InlineLane.submit(self, work, done))
            self.holding.set()


async def test_loading_an_actor_is_not_quiet() -> None:
    lanes: dict[str, HeldLane] = {}

    def lane(name: str) -> HeldLane:
        return lanes.setdefault(name, HeldLane(name))

    async def terminate_nobody() -> None:
        with pytest.raises(InstanceNotFoundError):
            await runtime.client.terminate("nobody")

    seams = Seams(clock=SystemClock(), new_id=new_id, lane=lane)
    async with Runtime(App(), seams=seams) as runtime, anyio.create_task_group() as group:
        load, held = lanes["load"], anyio.Event()
        load.holding = held
        group.start_soon(terminate_nobody)
        await held.wait()
        assert not runtime.partition.quiet
        load.holding = None
        for let_go in load.held:
            let_go()
