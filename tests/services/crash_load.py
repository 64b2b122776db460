"""Callers that work side by side, each for itself, and record what they ask and are told."""

from collections.abc import Callable, Sequence
from random import Random

import anyio
from attrs import define, field

from crash_app import ACCOUNTS, Box, diary, listen
from perdure import Client, InstanceAlreadyExistsError, Reuse, StoreError
from perdure.testing.checking import History, recorded

CALLERS, LISTENERS = 24, 4
LONGEST_END_SECONDS = 120
BOXES_PER_LIFE = 6
OLD_SHARE = 0.5
KINDS = ("chain", "fan_out", "fan_far", "pause", "transfer", "transfer")

Progress = Callable[[], None]
"""Called for every request that was acknowledged."""


@define
class Way:
    """A client, and whether it is in another process than the runtime."""

    client: Client
    outside: bool


@define
class Load:
    """All callers of one life of a process."""

    life: str
    ways: Sequence[Way]
    history: History
    progress: Progress = lambda: None
    callers: int = CALLERS

    async def prepare(self) -> None:
        """Begin those who listen, unless an earlier life has: all callers tell them words."""
        client = recorded(self.ways[0].client, self.history, f"{self.life}.first")
        heard: list[str] = []
        for number in range(LISTENERS):
            try:
                listener = f"listener{number}"
                await client.start_new(listen, heard, instance_id=listener, reuse=Reuse.NEVER)
            except InstanceAlreadyExistsError:
                pass
            await client.start_new(diary, instance_id=f"diary{number}.{self.life}")

    async def work(self) -> None:
        """Go on until something ends it."""
        async with anyio.create_task_group() as group:
            for number in range(self.callers):
                group.start_soon(self._caller(number).work)

    def _caller(self, number: int) -> "Caller":
        name = f"{self.life}.{number}"
        # Requests of one client are held to be in order, and those on two ways need not be.
        clients = [
            recorded(way.client, self.history, f"{name}.{place}", outside=way.outside)
            for place, way in enumerate(self.ways)
        ]
        old = f"old{number}" if number < LISTENERS else None
        box = f"{self.life}.{number % BOXES_PER_LIFE}"
        return Caller(name, self.life, clients, box, old, self.progress)


@define
class Caller:
    """One who has at most one request under way."""

    name: str
    life: str
    clients: Sequence[Client]
    box: str
    old: str | None
    """A box that one caller of each life shares with those of the lives before."""
    progress: Progress
    _asked: int = 0
    _failed: int = 0
    _chance: Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._chance = Random(self.name)  # noqa: S311 - not for secrets

    async def work(self) -> None:
        """Ask for one thing after the other."""
        acts = self._start, self._start, self._tell, self._put, self._call
        while True:
            self._asked += 1
            act, client = self._chance.choice(acts), self._chance.choice(self.clients)
            try:
                await act(client, f"{self.name}.{self._asked}")
            except (StoreError, TimeoutError, OSError):
                # Nobody knows what became of it, so that it is not repeated.
                self._failed += 1
                await anyio.lowlevel.checkpoint()
            else:
                self.progress()

    async def _start(self, client: Client, name: str) -> None:
        kind = self._chance.choice(KINDS)
        accounts = [str(number) for number in self._chance.sample(range(ACCOUNTS), 2)]
        inputs = (*accounts, self._chance.randrange(50)) if kind == "transfer" else ()
        await client.start_new(kind, *inputs, instance_id=name, reuse=Reuse.NEVER)

    async def _tell(self, client: Client, name: str) -> None:
        number = self._chance.randrange(LISTENERS)
        listener = self._chance.choice((f"listener{number}", f"diary{number}.{self.life}"))
        await client.raise_event(listener, "word", f"{listener}:{name}")

    async def _put(self, client: Client, name: str) -> None:
        await client.entity(Box, self._some_box()).signal(Box.put, name)

    async def _call(self, client: Client, name: str) -> None:
        await client.entity(Box, self._some_box()).call(Box.put, name, timeout=30)

    def _some_box(self) -> str:
        """One in which few outcomes are unknown: each doubles what the checker has to try."""
        if self.old is not None and not self._failed and self._chance.random() < OLD_SHARE:
            return self.old
        return f"{self.box}.{self._failed}"


async def finished(client: Client) -> None:
    """Stop those who listen, and wait until all have ended."""
    names = [status.instance_id async for status in client.query_all()]
    for name in names:
        if name.startswith(("listener", "diary")):
            await client.raise_event(name, "word", "stop")
    for name in names:
        await client.wait_for_completion(name, timeout=LONGEST_END_SECONDS)
