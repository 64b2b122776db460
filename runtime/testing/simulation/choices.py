"""All that chance decides in one run. The same seed decides the same, whatever the machine.

1.  Decisions are drawn from streams with names, so that one more decision in one place does not
    change those of another.
2.  A decision that is *quieted* still draws its number, and then does the ordinary thing: no
    fault, the usual delay, the first in line. That is how a failing run is made shorter.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from attrs import frozen

T = TypeVar("T")

USUAL_DELAY = 100
"""Microseconds that something takes about which chance has nothing to say."""
DELAYS = ((0.6, 400), (0.85, 5_000), (0.97, 200_000), (1.0, 5_000_000))
"""How often a delay is at most so long, in microseconds: short ones are usual, long ones happen."""


@frozen
class Quieted:
    """What is left out of a run."""

    faults: frozenset[str] = frozenset()
    """Single faults, by their names."""
    streams: frozenset[str] = frozenset()
    """Streams of which every decision is the ordinary one."""
    clients: frozenset[int] = frozenset()
    """Clients that do nothing at all, by number."""
    requests: tuple[tuple[int, int], ...] = ()
    """Clients and how many requests each makes before it walks away."""
    draws: tuple[tuple[int, int], ...] = ()
    """Clients and after how many draws their chances are all the least."""


NOTHING_QUIETED = Quieted()


class Choices:
    """The decisions of one run."""

    def __init__(self, seed: int, quieted: Quieted = NOTHING_QUIETED) -> None:
        self.seed = seed
        self._quieted = quieted
        self._streams: dict[str, Random] = {}
        self.drawn: dict[str, int] = {}
        """The streams that were drawn from, with how often."""

    def stream(self, name: str) -> Random:
        """The chances of one place."""
        found = self._streams.get(name)
        if found is None:
            found = self._streams[name] = Random(  # noqa: S311 - to be repeated
                f"{self.seed}/{name}"
            )
        return found

    def delay(self, name: str) -> int:
        """How long something takes, in microseconds; at least 1."""
        random = self._drawn(name).random
        kind, share = random(), random()
        if name in self._quieted.streams:
            return USUAL_DELAY
        longest = next(longest for most, longest in DELAYS if kind <= most)
        return 1 + int(share * longest)

    def below(self, name: str, count: int) -> int:
        """A number from 0 up to `count`, which is left out; 0 when it is quieted."""
        number = int(self._drawn(name).random() * count)
        return 0 if name in self._quieted.streams else number

    def one_of(self, name: str, values: Sequence[T]) -> T:
        """One of these, the first of which is the ordinary one."""
        return values[self.below(name, len(values))]

    def _drawn(self, name: str) -> Random:
        self.drawn[name] = self.drawn.get(name, 0) + 1
        return self.stream(name)

    def quiets(self, fault: str) -> bool:
        """Whether a fault of this name does not happen."""
        return fault in self._quieted.faults


class Chances(Random):
    """What a scenario draws from; from the draw `least_from` on it gets the least of everything.

    Only as many draws as the scenario made at first are so: code that draws until it likes the
    outcome would never end otherwise.
    """

    def __init__(self, seed: str, least_from: int | None) -> None:
        self.draws = 0
        self._least = range(least_from, least_from + 10_000) if least_from is not None else range(0)
        super().__init__(seed)

    def random(self) -> float:
        """A number from 0 up to 1."""
        value = super().random()
        self.draws += 1
        return 0.0 if self.draws - 1 in self._least else value

    def getrandbits(self, k: int, /) -> int:
        """So many bits."""
        value = super().getrandbits(k)
        self.draws += 1
        return 0 if self.draws - 1 in self._least else value
