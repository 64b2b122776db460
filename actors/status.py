"""The life of an instance in one word: the statuses of the Durable Task protocol."""

from enum import IntEnum


class Status(IntEnum):
    """What an instance is doing; the numbers are those of the protocol."""

    RUNNING = 0
    COMPLETED = 1
    CONTINUED_AS_NEW = 2
    FAILED = 3
    CANCELED = 4
    TERMINATED = 5
    PENDING = 6
    SUSPENDED = 7

    is_terminal: bool
    """Whether nothing more will happen unless somebody starts, restarts or rewinds it."""

    @property
    def label(self) -> str:
        """The protocol's spelling, for instance `ContinuedAsNew`."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    def __str__(self) -> str:
        return self.label

    def __format__(self, spec: str) -> str:
        return format(self.label, spec)


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.TERMINATED})
for _status in Status:
    _status.is_terminal = _status in TERMINAL
