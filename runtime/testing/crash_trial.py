"""One run of a scenario that dies at one point, or at none, and goes on from the store."""

import inspect
import itertools
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel
from attrs import evolve

from perdure.actors.activity_context import ActivityContext
from perdure.actors.app import App
from perdure.actors.definitions import ActivityDefinition
from perdure.actors.errors import StoreError
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Commit, Query
from perdure.persistence.store import Store
from perdure.runtime.client.client import Client
from perdure.runtime.client.waiting import waiting_for
from perdure.runtime.engine.restore import turn

from .crash_point import Kind, Passage, told
from .disturbed import DisturbedStore
from .environment import IDLE_PASSES, Environment
from .outside import OutsideGateway

AT_EVERY_MOVE = 1e-6
"""The runtime looks for the clients' messages as soon as time moves at all."""
LOOKS = 10
"""How often it moves a little after a message, so that a look which had begun is not the last."""
PATIENT_PASSES = 200

Call = tuple[str, int]


class MortalStore(DisturbedStore):
    """Dies with its process before or after a commit."""

    def __init__(self, inner: Store, reaches: Callable[[Kind, Callable[[], str]], bool]) -> None:
        super().__init__(inner)
        self._reaches = reaches

    def commit(self, commit: Commit) -> None:
        """Commit, unless this is where it dies."""
        words = partial(told, commit)
        if self._reaches("before-commit", words):
            raise StoreError("the process died before this commit")
        self._inner.commit(commit)
        self.after("commit", 0)
        if self._reaches("after-commit", words):
            raise StoreError("the process died after this commit")


class Trial(Environment):
    """An environment with a client that lives outside, and a runtime that dies once.

    Activities run on the event loop whatever their executor, so that every run has the same order.
    """

    def __init__(self, app: App, fatal: str | None, **settings: Any) -> None:
        self.passage = Passage(fatal)
        self.begun: Counter[tuple[str, Call]] = Counter()
        """How often each attempt of each call of an activity was begun, by name."""
        self._died = anyio.Event()
        self._down = False
        self._looks = 0
        store = MortalStore(MemoryStore(), self._reaches)
        store.after = self._stir
        settings.setdefault("poll_interval", AT_EVERY_MOVE)
        super().__init__(app, store=store.store, **settings)
        self._chosen = itertools.count(1)
        self._outside = OutsideGateway(self.app, self.clock, self._chosen_id, self.store)
        self._client = Client(self._outside)
        for definition in (*self.app.activities.values(), *self.app.built_in.values()):
            self._replace(definition)

    @property
    def repeated(self) -> set[str]:
        """The names of activities that were begun more than once for one attempt of a call."""
        return {name for (name, _), times in self.begun.items() if times > 1}

    @property
    def client(self) -> Client:
        """A client that has the store alone, so that it survives the runtime."""
        return self._client

    def _chosen_id(self) -> str:
        # Of its own kind: what the client chooses is the same in every run.
        return f"c{next(self._chosen):031x}"

    # Dying

    def _reaches(self, kind: Kind, what: Callable[[], str]) -> bool:
        if not self.passage.reaches(kind, what):
            return False
        self._down = True
        self.runtime.die()
        self._died.set()
        return True

    async def _come_back(self) -> None:
        await self._died.wait()
        await self.crash()
        self._down = False

    def _replace(self, definition: ActivityDefinition) -> None:
        super()._replace(
            evolve(
                definition,
                function=partial(self._perform, definition),
                takes_context=True,
                context_position=0,
                executor="loop",
            )
        )

    async def _perform(
        self, definition: ActivityDefinition, call: ActivityContext, *arguments: Any
    ) -> Any:
        def what() -> str:
            return f"{call.name!r} for {call.instance_id!r}"

        if self._reaches("start", what):
            await anyio.sleep_forever()
        self.begun[call.name, (call.idempotency_key, call.attempt)] += 1
        if definition.takes_context:
            place = definition.context_position
            arguments = definition.signature.with_context(arguments, place, call)
        try:
            value = definition.function(*arguments)
            return await value if inspect.isawaitable(value) else value
        finally:
            if self._reaches("end", what):
                await anyio.sleep_forever()

    # Time

    def _stir(self, method: str, _: int) -> None:
        if method in {"commit", "post"}:
            self._outside.stir()
        if method == "post":
            self._looks = LOOKS

    def _is_still(self) -> bool:
        if self._looks:
            self._looks -= 1
            self.clock.advance_to(self.clock.now() + 1)
            return False
        return not self._down and super()._is_still()

    @property
    def _awaited(self) -> bool:
        return bool(self._outside.waits)

    async def _let_time_pass(self) -> None:
        still = passes = 0
        while True:
            passes += 1
            if not (self._is_still() and self._awaited):
                still, self._stuck_since = 0, None
            elif still < IDLE_PASSES:
                still += 1
            else:
                still = passes = 0
                if self._jump():
                    self._stuck_since = None
                else:
                    await self._be_stuck()
            if passes > PATIENT_PASSES:
                await anyio.sleep(0.0005)
            else:
                await anyio.lowlevel.checkpoint()

    async def _fail_waits(self) -> None:
        told: list[str] = []
        for row in self.store.query(Query(), 1_000).rows:
            turns = [turn(recorded) for recorded in self.store.history(row.id)]
            if not row.status.is_terminal:
                found = waiting_for(row, turns, self.store, self.app, self.clock.now())
                what = "; ".join(map(str, found)) or "nothing that is known"
                told.append(f"{row.id!r} waits for {what}")
        unfinished = ", ".join(told) or "no instance is unfinished"
        problem = f"no timer is left, and nothing else goes on: {unfinished}"
        self._outside.fail(RuntimeError(problem))

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        assert self._group is not None  # noqa: S101 - entered before
        self._group.start_soon(self._come_back)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.passage.over = True
        if not self._down:
            self.runtime.die()
        await super().__aexit__(exc_type, exc_val, exc_tb)
