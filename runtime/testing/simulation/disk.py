"""The disk of a simulation: the one thing that outlives its processes."""

from collections.abc import Callable
from typing import Any, cast

from perdure.actors.errors import StoreError
from perdure.persistence.records import Commit, MessageRow, Start
from perdure.persistence.store import Store

from ..checking.ledger import Ledger, Step
from ..virtual_loop import VirtualLoop
from .faults import Misfortune

Kill = Callable[[object], object]

NEVER_FAIL = {"own", "disown", "close", "version", "location"}


class Disk:
    """A store, who owns it, and everything that ever became durable."""

    def __init__(self, store: Store, loop: VirtualLoop, misfortune: Misfortune) -> None:
        self.store = store
        self.loop = loop
        self.misfortune = misfortune
        self.steps: list[Step] = []
        self.ledger = Ledger(steps=self.steps, attempts=[])
        self.owner: object = None
        self.changed_at = 0
        self.when_posted: Callable[[], object] = lambda: None
        self._awaiting: list[Callable[[], object]] = []

    def release(self, who: object) -> None:
        """Let another one own it, if this one does."""
        if self.owner is who:
            self.owner = None
            self.store.disown()

    def seize(self) -> None:
        """Let another one own it, whatever the owner thinks of that."""
        self.owner = None
        self.store.disown()

    def changed(self) -> None:
        """Wake those who wait for a change."""
        self.changed_at = self.loop.micros
        awaiting, self._awaiting = self._awaiting, []
        for wake in awaiting:
            wake()

    def when_changed(self, wake: Callable[[], object]) -> None:
        """Call back once, when something has changed."""
        self._awaiting.append(wake)


class DiskView:
    """The store as one process sees it, or a client of its own: with what goes wrong there."""

    def __init__(self, disk: Disk, who: object, on_commit: "Commits") -> None:
        self._disk = disk
        self._who = who
        self._commits = on_commit
        self.cut_off = False
        """Whether this process is dead: nothing that it does reaches the disk any more."""

    @property
    def store(self) -> Store:
        """This, as what it stands for."""
        return cast("Store", self)

    def _check(self) -> None:
        if self.cut_off:
            raise StoreError("this process is dead")

    def own(self) -> int:
        """Become the owner."""
        self._check()
        epoch = self._disk.store.own()
        self._disk.owner = self._who
        return epoch

    def disown(self) -> None:
        """Let go, unless somebody else is the owner by now."""
        if not self.cut_off:
            self._disk.release(self._who)

    def close(self) -> None:
        """Let go."""
        self.disown()

    def commit(self, commit: Commit) -> None:
        """Make it durable, or not, or die before or after it."""
        self._check()
        self._commits.before()
        self._disk.store.commit(commit)
        moment = self._disk.loop.tick()
        self._disk.ledger.keep(commit, moment)
        if commit != Commit(commit.epoch):
            self._disk.changed()
        self._commits.after(commit, moment)

    def post(self, messages: list[MessageRow], starts: tuple[Start, ...] = ()) -> None:
        """Put messages into the inbox."""
        self._check()
        self._disk.store.post(messages, starts)
        rows = (start.row for start in starts)
        self._disk.ledger.executions.update((row.id, row.execution_id) for row in rows)
        self._disk.changed()
        self._disk.when_posted()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._disk.store, name)
        if not callable(found) or name in NEVER_FAIL:
            return found

        def read(*args: Any, **options: Any) -> Any:
            self._check()
            if name == "recover":
                self._commits.recovers()
            if self._disk.misfortune.strikes("read_fails"):
                raise StoreError(f"the disk could not {name} (simulated)")
            return found(*args, **options)

        return read


class Commits:
    """What happens around the commits of one process; this one lets them pass."""

    def before(self) -> None:
        """Before it; what this raises has prevented it."""

    def after(self, commit: Commit, moment: int) -> None:
        """After it; what this raises is all that the process hears."""

    def recovers(self) -> None:
        """All that is not durable has been forgotten."""
