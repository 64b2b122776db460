"""The moments at which a run can be made to crash, and how to say them."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Literal, get_args

import orjson
from attrs import field, frozen

from perdure.actors.status import Status
from perdure.persistence.records import Commit

Kind = Literal["before-commit", "after-commit", "start", "end"]

_BEGINNINGS: dict[str, str] = {
    "before-commit": "before commit {}, which would have written {}",
    "after-commit": "after commit {}, which wrote {}",
    "start": "at start {} of an activity, that of {}",
    "end": "at end {} of an activity, with the outcome not recorded yet: that of {}",
}
_NAMED_AT_ONCE = 3


@frozen
class CrashPoint:
    """A moment of a run: the n-th of its kind."""

    kind: Kind
    number: int
    """From 1."""
    what: str = field(default="", eq=False)
    """Which commit or activity that was, in words."""

    @property
    def name(self) -> str:
        """By this it is chosen, for instance `after-commit-7`."""
        return f"{self.kind}-{self.number}"

    def __str__(self) -> str:
        return _BEGINNINGS[self.kind].format(self.number, self.what)


def point_named(name: str) -> CrashPoint | None:
    """The reverse of `CrashPoint.name`; None when there cannot be such a point."""
    start, _, number = name.rpartition("-")
    for kind in get_args(Kind):
        if kind == start and number.isdecimal() and int(number) > 0:
            return CrashPoint(kind, int(number))
    return None


class Passage:
    """What a run passes, up to the one moment at which it is to die."""

    def __init__(self, fatal: str | None) -> None:
        self._fatal = fatal
        self._numbers: Counter[str] = Counter()
        self.points: list[CrashPoint] = []
        """Those before the crash, in order; without words."""
        self.died_at: CrashPoint | None = None
        """Where it did, in words."""
        self.over = False
        """Whether what comes now does not count any more."""

    def reaches(self, kind: Kind, what: Callable[[], str]) -> bool:
        """Count this moment; returns whether it is the one to die at."""
        if self.over or self.died_at is not None:
            return False
        self._numbers[kind] += 1
        point = CrashPoint(kind, self._numbers[kind])
        self.points.append(point)
        if point.name != self._fatal:
            return False
        self.died_at = CrashPoint(point.kind, point.number, what())
        return True


def told(commit: Commit) -> str:
    """A commit in words."""
    parts = [*_parts(commit)]
    shown = "; ".join(islice(parts, _NAMED_AT_ONCE)) or "nothing but a mark"
    more = len(parts) - _NAMED_AT_ONCE
    return f"{shown}; and {more} more" if more > 0 else shown


def _parts(commit: Commit) -> Iterator[str]:
    for turn in commit.turns:
        events = ", ".join(event["type"] for event in orjson.loads(turn.events))
        yield f"turn {turn.sequence} of {turn.instance_id!r} ({events})"
    for actor_id, row in commit.instances.items():
        if row is None or row.status.is_terminal or row.status is Status.PENDING:
            yield f"{actor_id!r} as {'deleted' if row is None else row.status.label}"
    for actor_id in commit.entities:
        yield f"the state of {actor_id}"
    for message in commit.sent:
        yield f"{orjson.loads(message.body)['type']} for {message.target}"
    if commit.consumed:
        yield f"the receipt of {len(commit.consumed)} messages"
