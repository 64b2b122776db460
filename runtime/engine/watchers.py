"""Clients that wait for instances to get somewhere; they outlive recoveries.

A watcher is shown each durable row of its instance. A follower only hears that the store has
something new of its instance, turns included, and looks for itself.
"""

from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar

from ...persistence.records import Commit, InstanceRow
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
        self.replies: dict[Reply[Any], None] = {}
        """Of all of them: what ends their waiting without an answer."""

    @property
    def ids(self) -> list[str]:
        """The instances that somebody waits for."""
        return [*{**self._watching, **self._following}]

    def watching(self, instance_id: str, show: Show, reply: Reply[Watched]) -> "Listed[Show]":
        """Show the durable rows of an instance during the block."""
        return Listed(self._watching, instance_id, show, self.replies, reply)

    def following(self, instance_id: str, reply: Reply[bool]) -> "Listed[Reply[bool]]":
        """Answer during the block once the store has something new of an instance."""
        return Listed(self._following, instance_id, reply, self.replies, reply)

    def tell_of_commit(self, commit: Commit, touched: Collection[str]) -> None:
        """Tell what has become durable, and of which actors."""
        if self._watching:
            for row in commit.instances.values():
                if row is not None:
                    self.tell(row)
        if self._following:
            self.stir([followed for followed in self._following if followed in touched])

    def tell(self, row: InstanceRow) -> None:
        """Show a durable row to those who watch the instance."""
        for show in list(self._watching.get(row.id, ())):
            show(row)

    def stir(self, ids: Collection[str]) -> None:
        """Let those who follow these instances look again."""
        for instance_id in ids:
            for reply in self._following.get(instance_id, ()):
                reply.set(True)


class Listed(Generic[T]):
    """A place in a list during a block: every client that waits for a result enters one."""

    __slots__ = ("_item", "_key", "_lists", "_replies", "_reply")

    def __init__(
        self,
        lists: dict[str, list[T]],
        key: str,
        item: T,
        replies: dict[Reply[Any], None],
        reply: Reply[Any],
    ) -> None:
        self._lists = lists
        self._key = key
        self._item = item
        self._replies = replies
        self._reply = reply

    def __enter__(self) -> None:
        self._replies[self._reply] = None
        self._lists.setdefault(self._key, []).append(self._item)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._replies.pop(self._reply, None)
        listed = self._lists[self._key]
        listed.remove(self._item)
        if not listed:
            del self._lists[self._key]
