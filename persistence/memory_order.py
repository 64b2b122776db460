"""What is in memory in the order of time, although most of it goes from the front."""

from bisect import bisect_right, insort
from collections.abc import Iterator

from .records import Ended


class Order:
    """A sorted set: taking away is a mark, until half of it is marks."""

    def __init__(self) -> None:
        self._entries: list[Ended] = []
        self._gone: set[Ended] = set()

    def add(self, entry: Ended) -> None:
        """Put it in its place, which is cheap at the end; it is not there yet."""
        if entry in self._gone:
            self._gone.remove(entry)
        else:
            insort(self._entries, entry)

    def remove(self, entry: Ended) -> None:
        """Take it away."""
        self._gone.add(entry)
        if len(self._gone) * 2 > len(self._entries):
            self._entries = [kept for kept in self._entries if kept not in self._gone]
            self._gone.clear()

    def following(self, after: Ended) -> Iterator[Ended]:
        """What comes after this one."""
        for place in range(bisect_right(self._entries, after), len(self._entries)):
            if self._entries[place] not in self._gone:
                yield self._entries[place]
