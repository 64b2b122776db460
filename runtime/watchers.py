"""Clients that wait for instances to get somewhere; they outlive recoveries.

A watcher is shown each durable row of its instance. A follower only hears that the store has
something new of its instance, turns included, and looks for itself.
"""

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from ..persistence.records import Commit, InstanceRow
from .reply import Reply

T = TypeVar("T")

MEMORY_LOST: Literal[False] = False
"""What they hear when what memory knew of the instance may never have happened."""

Watched = InstanceRow | Literal[False]
Show = Callable[[InstanceRow], object]


class Watchers:
    """Who waits for which instance."""

    def __init__(self) -> None:
        self._watching: dict[str, list[Show]] = {}
        self._following: dict[str, list[Reply[bool]]] = {}
        self.replies: set[Reply[Any]] = set()
        """Of all of them: what ends their waiting without an answer."""

    @property
    def ids(self) -> list[str]:
        """The instances that somebody waits for."""
        return [*{**self._watching, **self._following}]

    @contextmanager
    def watching(self, instance_id: str, show: Show, reply: Reply[Watched]) -> Generator[None]:
        """Show the durable rows of an instance during the block."""
        with self._waiting(reply), _listed(self._watching, instance_id, show):
            yield

    @contextmanager
    def following(self, instance_id: str, reply: Reply[bool]) -> Generator[None]:
        """Answer during the block once the store has something new of an instance."""
        with self._waiting(reply), _listed(self._following, instance_id, reply):
            yield

    @contextmanager
    def _waiting(self, reply: Reply[Any]) -> Generator[None]:
        self.replies.add(reply)
        try:
            yield
        finally:
            self.replies.discard(reply)

    def tell_of_commit(self, commit: Commit, touched: Collection[str]) -> None:
        """Tell what has become durable, and of which actors."""
        if self._watching:
            for row in commit.instances.values():
                if row is not None:
                    self.tell(row)
        if self._following:
            self.stir(self._following.keys() & touched)

    def tell(self, row: InstanceRow) -> None:
        """Show a durable row to those who watch the instance."""
        for show in list(self._watching.get(row.id, ())):
            show(row)

    def stir(self, ids: Collection[str]) -> None:
        """Let those who follow these instances look again."""
        for instance_id in ids:
            for reply in self._following.get(instance_id, ()):
                reply.set(True)


@contextmanager
def _listed(lists: dict[str, list[T]], key: str, item: T) -> Generator[None]:
    lists.setdefault(key, []).append(item)
    try:
        yield
    finally:
        lists[key].remove(item)
        if not lists[key]:
            del lists[key]
