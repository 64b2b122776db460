"""Calls into the store that travel together: what comes while one is under way is the next one.

A call costs a change of threads and a transaction, whatever it carries.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from attrs import define, field

from ...actors.errors import PerdureError, RuntimeClosedError
from ..engine.reply import Reply
from ..lanes import Lane

W = TypeVar("W")
R = TypeVar("R")

TOGETHER_MAX = 500
"""So many requests travel together."""
WEIGHT_MAX = 4 << 20
"""More than that travels alone, or one would need the memory of all."""


@define(eq=False)
class Passenger(Generic[W, R]):
    """A request, and who waits for what comes of it."""

    wish: W
    reply: Reply[tuple[R]] = field(factory=Reply[tuple[R]])


def weightless(_: object) -> int:
    """What all requests weigh where they are small."""
    return 0


class Convoy(Generic[W, R]):
    """Carries out the requests of one event loop.

    `carry_out` takes some, on the lane, and gives an outcome for each, or the error that is its
    own. When it fails, those that are `blamed` try again, each alone, and the others together; if
    none is, all have failed. `weigh` says of how many characters a request is.
    """

    def __init__(
        self,
        lane: Lane,
        carry_out: Callable[[list[W]], Sequence[R | PerdureError]],
        blamed: Callable[[W, BaseException], bool],
        weigh: Callable[[W], int] = weightless,
    ) -> None:
        self._lane = lane
        self._carry_out = carry_out
        self._blamed = blamed
        self._weigh = weigh
        self._waiting: deque[Passenger[W, R]] = deque()
        self._apart: deque[Passenger[W, R]] = deque()
        """Those that were blamed."""
        self._under_way: list[Passenger[W, R]] = []
        self._closed = False

    async def join(self, wish: W) -> R:
        """Carry this out with what else there is; a cancelled caller leaves it on its way."""
        if self._closed:
            raise RuntimeClosedError("the runtime or client was left; enter another one")
        passenger: Passenger[W, R] = Passenger(wish)
        self._waiting.append(passenger)
        if not self._under_way:
            self._set_out()
        (outcome,) = await passenger.reply.wait()
        return outcome

    def close(self) -> None:
        """Carry out nothing more; who waits is told so."""
        self._closed = True
        left = (*self._under_way, *self._apart, *self._waiting)
        self._apart.clear()
        self._waiting.clear()
        _fail(left, RuntimeClosedError("the runtime or client was left meanwhile"))

    def _set_out(self) -> None:
        some = self._under_way = self._next()
        if some:
            wishes = [passenger.wish for passenger in some]
            try:
                self._lane.submit(partial(self._carry_out, wishes), self._arrived)
            except RuntimeClosedError:
                self.close()

    def _next(self) -> list[Passenger[W, R]]:
        if self._apart:
            return [self._apart.popleft()]
        some: list[Passenger[W, R]] = []
        weight = 0
        while self._waiting and len(some) < TOGETHER_MAX:
            weight += self._weigh(self._waiting[0].wish)
            if some and weight > WEIGHT_MAX:
                break
            some.append(self._waiting.popleft())
        return some

    def _arrived(self, outcomes: Sequence[R | PerdureError], error: BaseException | None) -> None:
        some, self._under_way = self._under_way, []
        if error is None:
            for passenger, outcome in zip(some, outcomes, strict=True):
                if isinstance(outcome, PerdureError):
                    passenger.reply.fail(outcome)
                else:
                    passenger.reply.set((outcome,))
        else:
            self._failed(some, error)
        self._set_out()

    def _failed(self, some: Sequence[Passenger[W, R]], error: BaseException) -> None:
        blamed = [passenger for passenger in some if self._blamed(passenger.wish, error)]
        if len(some) == 1 or self._closed or not blamed:
            _fail(some, error)
            return
        self._apart.extend(blamed)
        self._waiting.extendleft(one for one in reversed(some) if one not in blamed)


def _fail(some: Sequence[Passenger[W, R]], error: BaseException) -> None:
    for passenger in some:
        passenger.reply.fail(error)
