"""A look into the inbox that a failure overtakes delivers nothing a second time."""

from collections.abc import Callable
from datetime import timedelta

from attrs import Factory, define

from perdure import App, Client, StoreError
from perdure.persistence.memory import MemoryStore
from perdure.testing import Environment

app = App()


@app.entity
@define
class Box:
    entries: list[str] = Factory(list[str])

    def put(self, entry: str) -> None:
        self.entries.append(entry)


class Overtaken(MemoryStore):
    """Something happens while somebody asks for its version."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] | None = None

    def version(self) -> int:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().version()


async def test_a_failure_amid_a_look_delivers_once() -> None:
    store = Overtaken()
    async with Environment(app, store=store) as env, Client(store, app) as outside:
        await outside.entity(Box, "b").signal(Box.put, "letter")
        store.meanwhile = lambda: env.runtime.partition.fail(StoreError("the disk is full"))
        for _ in range(3):
            await env.advance(timedelta(seconds=1))
        assert store.meanwhile is None
        state = await env.client.entity(Box, "b").read()
        assert state is not None
        assert state.entries == ["letter"]
