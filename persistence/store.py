"""The contract of a store: the log, snapshots and mailboxes of one task hub.

1.  One owner at a time. `own` returns an epoch larger than all before it, or raises
    `StoreInUseError` while a living owner holds the store. A commit of any other epoch raises
    `StaleOwnerError` and changes nothing.
2.  `commit` is atomic, and durable when it returns. When it raises, either nothing of it happened
    or all of it did; the owner finds out by reading again.
3.  What `commit` wrote is seen by every read that begins afterwards, from any process.
4.  `post` is the clients' way in, owner or no owner: atomic, durable when it returns, and in order.
    Each `Start` in it writes its row, or nothing is written and `InstanceAlreadyExistsError` says
    what is in the way.
5.  Positions of the mailbox are the owner's; positions of the inbox are the store's: negative,
    and each smaller than all before it, also after everything was consumed.
6.  Reads never wait for a commit, and a commit never waits for a read.
7.  All methods may block and may be called from any thread; `commit` from one at a time.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, Protocol

from ..actors.status import Status
from .records import (
    Commit,
    Due,
    Ended,
    EntityRow,
    InstanceRow,
    MessageRow,
    Page,
    Pending,
    Purged,
    Query,
    Start,
    Stored,
    TurnRow,
    Whole,
)

Durability = Literal["full", "relaxed"]
"""Whether each commit waits for the disk; `relaxed` may lose the last ones in a power failure."""


class Store(Protocol):
    """Where a task hub lives. The module's docstring has the laws."""

    @property
    def location(self) -> str:
        """The URL that opens this store, without secrets; names it in messages and logs."""
        ...

    # The owner's side

    def own(self) -> int:
        """Become the one owner; returns the epoch for commits."""
        ...

    def disown(self) -> None:
        """Let another owner come; does nothing for who is none."""
        ...

    def commit(self, commit: Commit) -> None:
        """Make turns durable. Raises `StaleOwnerError`, `ClaimLostError` or `StoreError`."""
        ...

    def recover(self, horizon: int) -> Pending:
        """Find everything there is to do.

        Messages and timers due at `horizon` or later are left to `due`.
        """
        ...

    def due(self, since: int, until: int) -> Due:
        """Timers with `since <= due < until`, and mailbox or inbox messages likewise."""
        ...

    def inbox(self, below: int) -> list[MessageRow]:
        """Messages of clients at positions smaller than `below`, oldest first, due or not."""
        ...

    def posted(self, targets: Collection[str]) -> list[MessageRow]:
        """Messages of clients that wait for these instances and entities, oldest first."""
        ...

    def load(self, ids: Collection[str]) -> dict[str, Stored]:
        """What there is of these instances and entities, turns in order; absent ones are empty."""
        ...

    # The clients' side

    def post(self, messages: Sequence[MessageRow], starts: Sequence[Start] = ()) -> None:
        """Put messages (their positions are ignored) into the inbox, and begin instances.

        A `Start` that replaces an instance leaves its old turns to the owner, which deletes them
        when it takes the start message.
        """
        ...

    def purge(self, ids: Sequence[str]) -> Purged:
        """Delete of these the terminal orchestrations, each with all that belongs to it.

        In their order, and as many as a short transaction takes, but at least one: what it did not
        come to is left to the next call, so that the owner's commits get their turn in between.
        """
        ...

    def install(self, wholes: Sequence[Whole]) -> list[str]:
        """Write what `export` gave, all or nothing; returns the ids that are in the way, by id.

        In the way is whatever exists here, and whatever comes twice. Messages go to the inbox. A
        living owner does not learn of unfinished work in it before it recovers.
        """
        ...

    def take_replies(self, request_ids: Collection[str]) -> dict[str, str]:
        """The answers to these requests that are there, which are forgotten with this.

        An answer that nobody has taken for a day may be forgotten too.
        """
        ...

    def version(self) -> int:
        """A number that differs after any process has changed the store: a hint to look again."""
        ...

    def glance(self) -> tuple[int, ...] | None:
        """What mostly differs after any process has changed the store, told without waiting.

        Two changes shortly after each other may look the same. None: ask for the version.
        """
        ...

    # Reading

    def instance(self, instance_id: str) -> InstanceRow | None:
        """One orchestration."""
        ...

    def instances(self, ids: Collection[str]) -> dict[str, InstanceRow]:
        """Many orchestrations; unknown ids are left out."""
        ...

    def query(self, query: Query, size: int, token: str | None = None) -> Page[InstanceRow]:
        """Matching orchestrations by creation, then id, `size` at a time: exact pages.

        A page holds `size` rows unless it is the last, and the last has no token. An unreadable
        token raises `ValueError`.
        """
        ...

    def count(self, query: Query) -> dict[Status, int]:
        """How many orchestrations match, by status; statuses with none are left out."""
        ...

    def ended(self, status: Status, after: Ended, size: int) -> list[Ended]:
        """Orchestrations that ended in this status, by completion, then id: the next after `after`.

        Left out are those to which something is about to happen: parked ones, and those that a
        message in the inbox is for.
        """
        ...

    def family(self, ids: Collection[str]) -> list[str]:
        """These orchestrations and all below them, parents before their children."""
        ...

    def history(self, instance_id: str, first: int = 0) -> list[TurnRow]:
        """The turns of the current execution, from number `first` on."""
        ...

    def entity(self, entity_id: str) -> EntityRow | None:
        """One entity."""
        ...

    def entities(
        self,
        prefix: str,
        size: int,
        token: str | None = None,
        *,
        updated_from: int | None = None,
        updated_to: int | None = None,
        transient: bool = False,
    ) -> Page[EntityRow]:
        """Entities by id, those without state only if `transient`; prefix is `@name@keyprefix`."""
        ...

    def export(self, ids: Collection[str] | None = None) -> Iterator[Whole]:
        """These orchestrations and entities, or all, as of one moment, by id; unknown ones not."""
        ...

    def backlog(self, target: str) -> int:
        """How many stored messages wait for this instance or entity."""
        ...

    def close(self) -> None:
        """Disown and let go of all that the operating system lent."""
        ...


class Fillable(Store, Protocol):
    """A store that can bear the mark of what is not whole yet."""

    def is_unfinished(self) -> bool:
        """Whether it bears the mark."""
        ...

    def mark_unfinished(self) -> None:
        """Put the mark there."""
        ...

    def mark_finished(self) -> None:
        """Take the mark away."""
        ...
