"""Which partitions of a hub this worker has, when there are others."""

from collections.abc import Callable, Iterable

import anyio

from ...actors.errors import PerdureError
from ...actors.messages import Message
from ...persistence.records import Answer, Commit, Letter, Shared
from ..engine.batch import Batch, message_row
from .code import Code

PartitionOf = Callable[[str], int]


class MovedError(PerdureError):
    """Tells a client's request that it has to be made elsewhere; nothing of it has happened.

    An operation that was called has been sent, but its answer comes from elsewhere.
    """


class Holdings:
    """What is held, and how a commit says so."""

    def __init__(self, worker: str, size: int, partition_of: PartitionOf) -> None:
        self.worker = worker
        """The id under which this one writes."""
        self.size = size
        """How many partitions the hub has."""
        self.number_of = partition_of
        self.epochs: dict[int, int] = {}
        """Of all that nobody else may write to: what commits are checked by."""
        self.local: set[int] = set()
        """Those of which the actors run here."""
        self.open: set[int] = set()
        """Those of them that clients here reach directly."""
        self.leaving: frozenset[int] = frozenset()
        """Those that are about to be handed over: no activity begins there any more."""
        self.joining: dict[int, list[Message]] = {}
        """Those that are being read, with what was sent there meanwhile."""
        self.changes = 0
        """Counts changes of `local`: what was read for others before is not to be used."""
        self._moved = anyio.Event()
        self.code = Code()
        """What workers can run."""
        self.accompanied = False
        """Whether others may wait for what happens here: other workers, or clients that say so."""

    def has(self, actor_id: str) -> bool:
        """Whether this actor runs here."""
        return self.number_of(actor_id) in self.local

    def lacks(self, actor_id: str) -> bool:
        """Whether this actor does not run here."""
        return self.number_of(actor_id) not in self.local

    def welcomes(self, actor_id: str) -> bool:
        """Whether clients here reach this actor directly."""
        return self.number_of(actor_id) in self.open

    def is_leaving(self, actor_id: str) -> bool:
        """Whether this actor is about to be run elsewhere."""
        return self.number_of(actor_id) in self.leaving

    def run(self, numbers: Iterable[int]) -> None:
        """The actors of these run here from now on."""
        self.local.update(numbers)
        self.changes += 1

    def let_clients_in(self, numbers: Iterable[int]) -> None:
        """Let clients here reach these directly, so far as they still run here."""
        self.open.update(self.local.intersection(numbers))
        self._tell()

    def halt(self, numbers: Iterable[int]) -> None:
        """Those of these do not any more."""
        self.local.difference_update(numbers)
        self.open.difference_update(numbers)
        self.changes += 1
        self._tell()

    async def moved(self) -> None:
        """Return when something else is held, or open to clients, than now."""
        await self._moved.wait()

    def _tell(self) -> None:
        moved, self._moved = self._moved, anyio.Event()
        moved.set()

    def give_up(self, numbers: Iterable[int]) -> None:
        """Commits do not concern these any more."""
        for number in numbers:
            self.epochs.pop(number, None)
        self.leaving = frozenset()
        self._tell()

    def forget(self) -> None:
        """Memory was dropped; what is held is found out anew."""
        self.halt(list(self.local))
        self.epochs, self.joining, self.leaving = {}, {}, frozenset()
        self.code.missed.clear()

    def sealed(self, batch: Batch) -> Commit:
        """The commit of a batch."""
        commit = batch.sealed(0)
        changed: frozenset[int] = frozenset()
        if self.accompanied:
            changed = frozenset(map(self.number_of, batch.touched))
        letters = [self._letter(message) for message in batch.letters.values()]
        commit.shared = Shared(
            dict(self.epochs),
            letters,
            batch.received,
            changed,
            list(batch.errands.values()),
            list(batch.withdrawn),
            [Answer(errand, self._letter(told)) for errand, told in batch.answers.items()],
            batch.recalls,
        )
        return commit

    def _letter(self, message: Message) -> Letter:
        row = message_row(message)
        number = message.position
        return Letter(
            number % self.size,
            number,
            self.worker,
            row.target,
            row.body,
            row.execution_id,
            row.due,
        )
