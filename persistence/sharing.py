"""What a store can do beyond the contract when several workers run one hub.

1.  Actors belong to partitions, by their ids and for ever. A partition has one owner at a time,
    named by an epoch that grows with each; a commit bears the epochs of all that its worker owns,
    and one that is not the newest refuses all of it (`StaleOwnerError`).
2.  A worker counts as alive as long as its lease, which its heartbeat renews, by the store's clock.
    Partitions of the dead, and what was released, can be claimed by anybody.
3.  Messages for actors elsewhere are letters: written by the sender's commit, deleted by the
    receiver's. Those of one worker become visible in the order of their numbers.
4.  Workers say which code they have, and which code partitions need. Both are texts that a store
    never looks into.
5.  What is heard of others' changes is a hint. It may come late, twice or never.
6.  An errand is an activity that any worker may run. It is taken by one at a time, and stays taken
    while that worker lives. Its answer is a letter, written by the commit that deletes it.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol, TypeGuard

from .records import (
    Arrivals,
    Due,
    Errand,
    ErrandKey,
    Hint,
    Pending,
    Queue,
    Roster,
    Waiting,
    WorkerRow,
)
from .store import Store

Told = Callable[[Hint], object]


class Membership(Protocol):
    """One worker's place among the others. All methods may block."""

    @property
    def id(self) -> str:
        """The worker's, never used again."""
        ...

    @property
    def hears(self) -> bool:
        """Whether hints come at all, and just now."""
        ...

    def beat(self) -> Roster:
        """Renew the lease, and look who is there."""
        ...

    def claim(self, partitions: Collection[int]) -> dict[int, int]:
        """Become the owner of those that nobody alive owns; returns their epochs."""
        ...

    def reclaim(self) -> dict[int, int]:
        """New epochs for all that are still this worker's, so that no stray commit can follow."""
        ...

    def release(self, partitions: Collection[int], needs: Mapping[int, str] | None = None) -> None:
        """Let others have these, of which some are found to need this code."""
        ...

    def waiting(self, names: Collection[str], now: int) -> Waiting:
        """What errands of these activities are nobody's; a long queue is not counted to its end."""
        ...

    def take(
        self, wanted: Mapping[str, int], now: int, *, left_behind: bool = False
    ) -> list[Errand]:
        """Take up to so many errands of each activity that may begin by `now`, the oldest first.

        What the dead have taken is there to be taken too, if it is looked for (`left_behind`).
        """
        ...

    def taken(self, known: Collection[ErrandKey]) -> list[Errand]:
        """All that this worker has taken; those that it knows without their bodies."""
        ...

    def watch(self, met: Callable[[Roster], object], told: Told) -> None:
        """Beat from now on, on a thread that calls `met` at each heartbeat and `told` at hints."""
        ...

    def leave(self) -> None:
        """Release everything, and be no worker any more."""
        ...


class Ear(Protocol):
    """What a client in another process hears of a hub."""

    @property
    def hears(self) -> bool:
        """Whether hints of changes come at all, and just now."""
        ...

    def attend(self) -> None:
        """Somebody waits: to be said anew every second, as workers tell only those who listen."""
        ...

    def close(self) -> None:
        """Hear nothing any more."""
        ...


class Audible(Protocol):
    """A store that a client can listen to."""

    def partition_of(self, actor_id: str) -> int:
        """The partition that an orchestration or entity belongs to."""
        ...

    def listen(self, told: Told) -> Ear:
        """Call `told` with all hints from now on, on a thread; returns at once."""
        ...


class SharedStore(Store, Protocol):
    """A store that several workers may run."""

    @property
    def partitions(self) -> int:
        """How many there are."""
        ...

    def partition_of(self, actor_id: str) -> int:
        """The partition that an orchestration or entity belongs to."""
        ...

    def enter(
        self, lease: float | None = None, heartbeat: float | None = None, repertoire: str = ""
    ) -> Membership:
        """Become a worker with this code, which owns nothing yet.

        `lease` and `heartbeat` are in seconds, or as the store's URL says.
        """
        ...

    def recover(self, horizon: int, partitions: Collection[int] | None = None) -> Pending:
        """Find everything there is to do in these partitions, letters excepted."""
        ...

    def due(self, since: int, until: int, partitions: Collection[int] | None = None) -> Due:
        """Timers and messages of these partitions with `since <= due < until`."""
        ...

    def arrived(self, partitions: Collection[int], below: int) -> Arrivals:
        """All letters for these partitions, and of clients' messages those below a position."""
        ...

    def errands(self, partitions: Collection[int]) -> list[Errand]:
        """What instances of these partitions have asked for, without the bodies."""
        ...

    def queues(self) -> list[Queue]:
        """The errands of each activity, by its name."""
        ...

    def workers(self) -> list[WorkerRow]:
        """All workers, by name and id."""
        ...


def is_audible(store: object) -> TypeGuard[Audible]:
    """Whether it can be listened to."""
    return hasattr(store, "listen")


def is_shared(store: Store) -> TypeGuard[SharedStore]:
    """Whether several workers can run it."""
    return hasattr(store, "enter")
