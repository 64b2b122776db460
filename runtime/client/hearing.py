"""What a client hears of the actors that it waits for; where it hears nothing, it looks."""

from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial

from ...persistence.records import Hint
from ...persistence.sharing import Audible, Ear, is_audible
from ..clock import Bell
from ..lanes import loop_door


class Hearing:
    """Rings for those who wait, when something is told of the partitions of their actors."""

    def __init__(self, store: Audible) -> None:
        self._store = store
        self._post = loop_door()
        self._bells: defaultdict[int, set[Bell]] = defaultdict(set)
        self._ear: Ear | None = None

    @property
    def hears(self) -> bool:
        """Whether hints come just now."""
        return self._ear is not None and self._ear.hears

    @contextmanager
    def waiting(self, actor_id: str) -> Generator[Bell, None, None]:
        """Give a bell that rings during the block."""
        if self._ear is None:
            # Not before: who only starts and reads needs no connection more.
            self._ear = self._store.listen(self._told)
        bells, bell = self._bells[self._store.partition_of(actor_id)], Bell()
        bells.add(bell)
        try:
            yield bell
        finally:
            bells.discard(bell)

    def attend(self) -> None:
        """Somebody goes on waiting."""
        if self._ear is not None:
            self._ear.attend()

    def _told(self, hint: Hint) -> None:
        """Pass on what concerns somebody; on the thread of the ear."""
        if any(self._bells.get(number) for number in hint.changed):
            # When the loop is gone, so is everyone who waited.
            with suppress(Exception):
                self._post(partial(self._ring, hint.changed))

    def _ring(self, numbers: frozenset[int]) -> None:
        for number in numbers:
            for bell in self._bells[number]:
                bell.ring()

    def close(self) -> None:
        """Hear nothing any more."""
        if self._ear is not None:
            self._ear.close()


def hearing_of(store: object) -> Hearing | None:
    """What is heard of a store; None where nobody tells anything."""
    return Hearing(store) if is_audible(store) else None
