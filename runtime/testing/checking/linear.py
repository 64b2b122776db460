"""Is there one order? The search for a linearization, after Wing and Gong, with Lowe's memory.

Operations have an interval between being asked and being answered. Wanted is an order that keeps
apart in the same way what was apart in time, and in which a sequential model gives every answer
that was given. What has been tried is remembered as the set of operations that are done and the
state that they have led to.
"""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any, Literal

from attrs import define

State = str | None
Apply = Callable[[State, "Deed"], tuple[object, State]]
"""The sequential model: the answer of an operation in a state, and the state after it."""

NODES_MAX = 100_000


@define(eq=False)
class Deed:
    """One operation, as the search needs it."""

    what: Any
    """What the model is asked for."""
    asked: int
    answered: int | None = None
    """None when it may take effect at any later time."""
    answer: object = None
    told: bool = False
    """Whether the answer is known."""
    needed: bool = True
    """Whether it has happened for certain."""
    sender: str = ""
    place: int = 0
    """What a sender has sent takes effect in the order of the places."""
    hint: int = 0
    """In which order it is tried."""
    before_signals: bool = False
    """Whether it may overtake what nobody waits for: the holder of a lock does."""
    signal: bool = False

    def precedes(self, other: "Deed") -> bool:
        """Whether it took effect before that one for certain."""
        if self.signal and other.before_signals:
            return False
        if self.sender and self.sender == other.sender and self.place < other.place:
            return True
        return self.answered is not None and self.answered < other.asked


Found = Literal["order", "none", "undecided"]


@define
class Search:
    """The search over one entity."""

    deeds: Sequence[Deed]
    apply: Apply
    final: State
    """The state that is there in the end."""
    nodes_max: int = NODES_MAX
    furthest: int = 0
    """How many operations fitted at most."""
    stuck: Deed | None = None
    """The operation that did not fit there."""

    def run(self) -> Found:
        """Say whether there is an order."""
        deeds = sorted(self.deeds, key=lambda deed: deed.hint)
        before = [
            sum(1 << n for n, other in enumerate(deeds) if other.needed and other.precedes(deed))
            for deed in deeds
        ]
        needed = sum(1 << n for n, deed in enumerate(deeds) if deed.needed)
        seen: set[tuple[int, State]] = set()
        # First whoever has most behind him of what is certain, and least of what may never have
        # happened: the many ways to guess at that are tried only where nothing else goes on.
        open_: list[tuple[int, int, int, int, State]] = [(0, 0, 0, 0, None)]
        found = 0
        while open_:
            *_, done, state = heappop(open_)
            if (done, state) in seen:
                continue
            seen.add((done, state))
            if len(seen) > self.nodes_max:
                return "undecided"
            if done & needed == needed and state == self.final:
                return "order"
            following = self._following(deeds, before, done, state)
            found += len(following)
            for number, (after, led_to) in enumerate(following):
                certain = (after & needed).bit_count()
                guessed = after.bit_count() - certain
                heappush(open_, (-certain, guessed, number - found, after, led_to))
        return "none"

    def _following(
        self, deeds: list[Deed], before: list[int], done: int, state: State
    ) -> list[tuple[int, State]]:
        following: list[tuple[int, State]] = []
        for number, deed in enumerate(deeds):
            bit = 1 << number
            if done & bit or before[number] & ~done:
                continue
            answer, after = self.apply(state, deed)
            if not deed.told or answer == deed.answer:
                following.append((done | bit, after))
            elif done.bit_count() >= self.furthest:
                self.furthest, self.stuck = done.bit_count(), deed
        return following
