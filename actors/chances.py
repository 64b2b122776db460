"""An execution's own random numbers and ids, the same in every replay."""

import hashlib
import random
import uuid

from .moments import moment

_NAMESPACE = uuid.UUID("9e952958-5e33-4daf-827f-2fa12937b875")


class Chances:
    """Of one instance; `origin` is the execution from which on they are the same."""

    __slots__ = ("_guids", "_instance_id", "_origin", "_random")

    def __init__(self, instance_id: str, origin: str) -> None:
        self._instance_id = instance_id
        self._origin = origin
        self._guids = 0
        self._random: random.Random | None = None

    def guid(self, now: int) -> uuid.UUID:
        """The next of a sequence of version 5 UUIDs."""
        self._guids += 1
        return uuid.uuid5(
            _NAMESPACE, f"{self._instance_id}_{moment(now).isoformat()}_{self._guids}"
        )

    @property
    def random(self) -> random.Random:
        """A sequence of pseudo-random numbers."""
        if self._random is None:
            seed = f"{self._instance_id}:{self._origin}"
            self._random = random.Random(hashlib.sha256(seed.encode()).digest())  # noqa: S311
        return self._random
