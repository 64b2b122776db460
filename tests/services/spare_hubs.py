"""Hubs that are used again: making one takes ten times as long as emptying it."""

from collections.abc import Generator
from contextlib import contextmanager
from itertools import count

import psycopg

from perdure.persistence.schema import UNFINISHED

PARAMETERS = "lease=1&heartbeat=0.1"
"""An owner that was killed is replaced soon, and one that lives shows it at once."""

TABLES = (
    "instance",
    "entity",
    "turn",
    "timer",
    "mailbox",
    "inbox",
    "letter",
    "errand",
    "reply",
    "worker",
)


class SpareHubs:
    """The hubs of one server that nobody uses."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._numbers = count()
        self._spare: list[str] = []

    @contextmanager
    def one(self) -> Generator[str, None, None]:
        """Lend an empty hub, or one yet to be made, by its URL."""
        name = self._spare.pop() if self._spare else f"hub_{next(self._numbers)}"
        yield f"{self._server}&hub={name}&{PARAMETERS}"
        self._empty(name)
        self._spare.append(name)

    def _empty(self, name: str) -> None:
        with psycopg.connect(self._server, options=f"-c search_path={name}") as link:
            if link.execute("SELECT to_regclass('migration')").fetchone() == (None,):
                return
            forgotten = "; ".join(map("DELETE FROM {}".format, TABLES))
            anew = "UPDATE partition SET position = 0, worker = NULL, needs = ''"
            link.execute(f"{forgotten}; {anew}".encode())
            link.execute("UPDATE hub SET posted = 0")
            link.execute("UPDATE migration SET version = mod(version, %s)", (UNFINISHED,))
