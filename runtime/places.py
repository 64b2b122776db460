"""How many may run at once: whoever finds no place waits in line for one."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Places(Generic[T]):
    """A number of places, and the line of those who wait for one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._line: deque[T] = deque()

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    @property
    def free(self) -> int:
        """How many more could be given a place now."""
        return max(0, self._most - self._taken - len(self._line))

    def take(self, who: T) -> bool:
        """Take a place, or stand in line; returns whether there was one."""
        if self._taken < self._most:
            self._taken += 1
            return True
        self._line.append(who)
        return False

    def leave(self) -> None:
        """Give a place back."""
        self._taken -= 1

    def next_in_line(self) -> T | None:
        """Take the first out of the line, if there is a place now; it has none yet."""
        return self._line.popleft() if self._line and self._taken < self._most else None
