"""The commit pipeline: turns collect while the commit before them is being written.

Each commit takes all that has collected, so a lonely turn is written at once and a crowd is
written together. What the outside may see waits in the batch until the store has it.
"""

from collections.abc import Callable
from functools import partial

from ...persistence.records import Commit
from ...persistence.store import Store
from ..instruments import Instruments
from ..lanes import Lane
from .batch import Batch


class Pipeline:
    """Hands batches to the store, one at a time and in order."""

    def __init__(self, store: Store, lane: Lane, wake: Callable[[], object]) -> None:
        self._store = store
        self._lane = lane
        self._wake = wake
        self.epoch = 0
        self.seal: Callable[[Batch], Commit] = lambda batch: batch.sealed(self.epoch)
        """Makes the commit of a batch."""
        self.batch = Batch()
        self.commits = 0
        self.failure: BaseException | None = None
        self.instruments: Instruments | None = None
        self._in_flight: tuple[Batch, Commit] | None = None
        self._written = False

    @property
    def idle(self) -> bool:
        """Whether everything is durable."""
        return self._in_flight is None and self.batch.empty

    def flush(self) -> None:
        """Hand over what has collected, if the store is free."""
        if self._in_flight is not None or self.batch.empty or self.failure is not None:
            return
        batch, self.batch = self.batch, Batch()
        commit = self.seal(batch)
        self._in_flight = batch, commit
        write = partial(self._store.commit, commit)
        if self.instruments is not None:
            write = partial(self.instruments.commit, write, len(batch.touched))
        self._lane.submit(write, partial(self._done, batch))

    def _done(self, batch: Batch, _: None, error: BaseException | None) -> None:
        if self._in_flight is None or self._in_flight[0] is not batch:
            return
        self._written = error is None
        # A failure that came from elsewhere meanwhile stays one.
        self.failure = error or self.failure
        self._wake()

    def take_durable(self) -> tuple[Batch, Commit] | None:
        """The batch that has become durable since the last call, if any."""
        if not self._written:
            return None
        durable, self._in_flight, self._written = self._in_flight, None, False
        self.commits += 1
        return durable

    def drop(self) -> None:
        """Forget everything that is not durable."""
        self.batch, self._in_flight = Batch(), None
        self.failure, self._written = None, False
