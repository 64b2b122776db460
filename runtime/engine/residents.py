"""Who is in memory: actors come before their first message, and go when they are not needed."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from ...actors.emptiness import NOTHING, added
from ...actors.entity import Entity
from ...actors.orchestration import Orchestration
from ...persistence.records import Stored
from ...persistence.store import Store
from ..lanes import Lane
from .seclusion import secluded
from .slot import Arrival, Slot


class Residents:
    """The slots of a partition. Ended actors leave once they are durable, idle ones in time."""

    def __init__(
        self,
        store: Store,
        lane: Lane,
        resident_max: int,
        settle_in: Callable[[Slot, Stored], object],
        wake: Callable[[], object],
    ) -> None:
        self._store = store
        self._lane = lane
        self._resident_max = resident_max
        self._settle_in = settle_in
        self._wake = wake
        self.slots: dict[str, Slot] = {}
        self.stranger: Callable[[str], bool] | None = None
        """Whether an actor's partition is not here, if there is more than one owner."""
        self.life = 0
        """Counts how often memory was dropped: what was asked for before is not wanted any more."""
        self._idle: OrderedDict[str, Slot] = OrderedDict()
        self._to_load: list[str] = []
        self._loaded: list[tuple[list[Slot], dict[str, Stored], BaseException | None]] = []
        self._loads_under_way = 0

    @property
    def loading(self) -> bool:
        """Whether somebody is awaited from the store."""
        return bool(self._to_load or self._loads_under_way)

    def when_loaded(self, target: str, arrival: Arrival, *, fresh: bool = False) -> None:
        """Call `arrival` with the slot, at once if it is loaded; `fresh` ids cannot be stored."""
        slot = self.slots.get(target)
        if slot is None:
            if self.stranger is not None and self.stranger(target):
                return
            slot = self.slots[target] = Slot(target, loaded=fresh, fresh=fresh)
            if not fresh:
                self._to_load.append(target)
                self._wake()
        if slot.loaded:
            arrival(slot)
        else:
            slot.arrivals = added(slot.arrivals, arrival)

    def begin_loading(self) -> None:
        """Ask the store for all who are wanted."""
        if not self._to_load:
            return
        slots = [self.slots[target] for target in self._to_load if target in self.slots]
        wanted, self._to_load = [slot.id for slot in slots], []
        life = self.life
        self._loads_under_way += 1

        def done(stored: dict[str, Stored], error: BaseException | None) -> None:
            if life == self.life:
                self._loaded.append((slots, stored, error))
                self._wake()

        self._lane.submit(partial(self._store.load, wanted), done)

    def finish_loading(self) -> BaseException | None:
        """Let in who has come; returns why the store could not give them."""
        loaded, self._loaded = self._loaded, []
        for slots, stored, error in loaded:
            self._loads_under_way -= 1
            if error is not None:
                return error
            for slot in slots:
                # It may have been dropped meanwhile, and its place taken by another.
                if self.slots.get(slot.id) is slot:
                    self._let_in(slot, stored[slot.id])
        return None

    def _let_in(self, slot: Slot, record: Stored) -> None:
        self._settle_in(slot, record)
        arrivals, slot.arrivals = slot.arrivals, NOTHING
        for arrival in arrivals:
            arrival(slot)
        self.retire(slot)

    def retire(self, slot: Slot) -> None:
        """Let a settled actor go: at once when it has ended, else when there are too many."""
        if not slot.settled:
            return
        actor = slot.actor
        if actor is None or (isinstance(actor, Orchestration) and actor.status.is_terminal):
            self.drop(slot)
            return
        self._idle[slot.id] = slot
        while len(self._idle) > self._resident_max:
            self._drop_idle()

    def _drop_idle(self) -> None:
        """Let go whose turn it is in the round, unless it was used since it was asked last."""
        slot_id, slot = self._idle.popitem(last=False)
        if slot.used:
            slot.used = False
            self._idle[slot_id] = slot
        elif slot.settled:
            self.drop(slot)

    def drop(self, slot: Slot) -> None:
        """Let an actor go; the next message brings it back."""
        _close(slot)
        if self.slots.get(slot.id) is slot:
            del self.slots[slot.id]
        self._idle.pop(slot.id, None)

    def drop_all(self) -> None:
        """Drop all memory."""
        self.life += 1
        for slot in self.slots.values():
            _close(slot)
        self.slots.clear()
        self._idle.clear()
        self._to_load.clear()
        self._loaded.clear()
        self._loads_under_way = 0


def _close(slot: Slot) -> None:
    actor = slot.actor
    if isinstance(actor, Entity):
        actor.close()
    elif actor is not None and actor.execution is not None:
        with secluded():
            actor.close()
