"""What a store has to hold after deaths, by the notes that the dead have left."""

from collections import Counter
from pathlib import Path
from typing import Any

ALL_BALANCES = 6_000

Became = dict[str, Any]
"""What `finish` of tests/crash/workload.py prints."""


class Notes:
    """What was tried and what was acknowledged."""

    def __init__(self, path: Path) -> None:
        # The last line may be cut short by a kill, and another process may have gone on behind it.
        lines = [line.split() for line in path.read_text().splitlines()]
        self._lines = [line for line in lines if len(line) == len(("word", "kind", "name"))]

    def of(self, word: str, kind: str) -> list[str]:
        """The names that were noted with that word."""
        return [line[2] for line in self._lines if line[:2] == [word, kind]]

    @property
    def acknowledged(self) -> int:
        """How many requests were answered."""
        return sum(line[0] == "ack" for line in self._lines)

    @property
    def unknown(self) -> int:
        """How many requests the store failed."""
        return sum(line[0] == "unknown" for line in self._lines)


def problems(notes: Notes, became: Became) -> list[str]:
    """Everything acknowledged that is missing, all that happened twice, all that was made up."""
    names = [name for name in became["instances"] if not name.startswith("listener")]
    parents = [name for name in names if not name.endswith("-child")]
    found = [
        *_compared(notes, "word", became["words"]),
        *_compared(notes, "entry", became["entries"]),
        *_compared(notes, "start", parents),
    ]
    if became["not completed"]:
        found.append(f"not completed: {became['not completed']}")
    if became["recorded twice"]:
        found.append(f"{became['recorded twice']} results are recorded twice")
    if sum(became["balances"]) != ALL_BALANCES:
        found.append(f"money came or went: {became['balances']}")
    if sorted(became["ran"]) != sorted(names):
        found.append("not every instance has run once")
    return found


def _compared(notes: Notes, kind: str, happened: list[str]) -> list[str]:
    times = Counter(happened)
    lost = sorted(set(notes.of("ack", kind)) - times.keys())
    doubled = sorted(name for name, n in times.items() if n > 1)
    invented = sorted(times.keys() - set(notes.of("try", kind)))
    told = {"lost": lost, "happened twice": doubled, "never asked for": invented}
    return [f"{kind} {what}: {', '.join(names)}" for what, names in told.items() if names]
