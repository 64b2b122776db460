"""Who is told what actors did: after the commit, and at no cost while nobody asks.

An observer is shown each turn as it is taken. That turn may yet be lost with its commit, so the
observer takes what it needs, and says what to do once it is durable. Replay takes no turns, so
nothing is shown twice; what died between a commit and its being told is not told any more.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from ...actors.effects import Effects, Parked
from ...actors.entity import Entity
from ...actors.orchestration import Orchestration
from .batch import Act, Batch

logger = logging.getLogger("perdure.runtime")

Actor = Orchestration | Entity


class Observer(Protocol):
    """What it returns is called once the turn is durable; None when it does not care.

    Both run on the event loop, amid the turns: they have to be short.
    """

    def turn_taken(self, actor: Actor, effects: Effects) -> Act | None:
        """The actor, as the turn has left it, and what the turn asked for."""
        ...

    def actor_parked(self, actor: Actor, parked: Parked) -> Act | None:
        """The actor does not go on, although it could."""
        ...


class Audience:
    """All observers of a partition, which no error of theirs can disturb."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def turned(self, batch: Batch, actor: Actor | None, effects: Effects) -> None:
        """Show a turn that is part of this batch."""
        if actor is not None:
            for observer in self._observers:
                _show(batch, partial(observer.turn_taken, actor, effects))

    def parked(self, batch: Batch, actor: Actor | None, parked: Parked) -> None:
        """Show that an actor waits for a mend."""
        if actor is not None:
            for observer in self._observers:
                _show(batch, partial(observer.actor_parked, actor, parked))


def _show(batch: Batch, show: Callable[[], Act | None]) -> None:
    try:
        act = show()
    except Exception:
        logger.exception("an observer failed; the engine goes on")
    else:
        if act is not None:
            batch.when_durable.append(partial(_tell, act))


def _tell(act: Act) -> None:
    try:
        act()
    except Exception:
        logger.exception("an observer failed; the engine goes on")
