"""Empty containers of objects that are made in great numbers.

`Factory(list[Message])` calls a generic alias, which takes longer than to make the list (0.3 µs on
Python 3.11); type checkers want more than `Factory(list)`.

What is nearly always empty is not even made: each list of an orchestration that waits takes 56
bytes, and the garbage collector's time at every pass over all that lives.
"""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

new_list: Callable[[], list[Any]] = list
new_dict: Callable[[], dict[Any, Any]] = dict


class _Nothing(list[Any]):
    """A list that nobody may put anything into, as others have the same."""

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("what is shared stays empty: `added` makes a list of one's own")

    append = extend = insert = __iadd__ = __imul__ = __setitem__ = _refuse


NOTHING: list[Any] = _Nothing()
"""Shared by all who have nothing. See `added`."""


def added(items: list[T], item: T) -> list[T]:
    """Append to a list that may be `NOTHING`; the result takes its place."""
    if items is NOTHING:
        return [item]
    items.append(item)
    return items
