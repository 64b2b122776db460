"""Who owns partitions: a row each with an epoch, and the lease of the worker that it names.

A lease ends by the database's clock, and is renewed by a thread of its own. It only says whether
others may take over; that a former owner cannot write is up to the epoch, which is in the same
transaction as each commit.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from uuid import uuid4

from ..actors.errors import StoreError, StoreInUseError
from .postgres_connections import Link, Rows
from .postgres_hub import PostgresHub

_LOCKED = "SELECT epoch, worker FROM partition WHERE number = ANY(%s) ORDER BY number FOR UPDATE"
_ALIVE = (
    "SELECT name, leased_until FROM worker WHERE id = ANY(%s) AND leased_until > clock_timestamp()"
    " ORDER BY id"
)
_LEASED = "clock_timestamp() + %s * interval '1 second'"
_ENTER = f"INSERT INTO worker (id, name, leased_until) VALUES (%s, %s, {_LEASED})"
_RENEW = f"UPDATE worker SET leased_until = {_LEASED} WHERE id = %s"
_TAKE = "UPDATE partition SET epoch = %s, worker = %s WHERE number = ANY(%s)"
_RELEASE = "UPDATE partition SET worker = NULL WHERE number = ANY(%s::integer[]) AND worker = %s"
_LEAVE = "DELETE FROM worker WHERE id = %s"


class Ownership:
    """Of some partitions, all at once, by one worker."""

    def __init__(self, hub: PostgresHub, partitions: list[int]) -> None:
        self._hub = hub
        self._partitions = partitions
        self._worker: str | None = None
        self._left = threading.Event()
        self._heart: threading.Thread | None = None

    def acquire(self) -> int:
        """Become the owner; returns the epoch.

        Whether the owner that is there lives is seen by its heartbeat: `StoreInUseError` is raised
        at its next one, and otherwise its lease ends.
        """
        if self._worker is not None:
            raise StoreInUseError(f"{self._hub.location} is owned by this store already")
        worker = uuid4().hex
        seen: Rows = []
        while True:
            epoch, alive = self._hub.connections.insist(lambda link: self._try(link, worker))
            if not alive:
                break
            if seen and alive != seen:
                raise StoreInUseError(
                    f"{self._hub.location} is owned by {', '.join(name for name, _ in alive)}; "
                    "stop that runtime, or use a Client here, which needs no ownership"
                )
            seen = alive
            time.sleep(self._hub.address.heartbeat / 4)
        self._worker = worker
        self._left = threading.Event()
        self._heart = threading.Thread(
            target=self._beat, args=(worker, self._left), name="perdure-lease", daemon=True
        )
        self._heart.start()
        return epoch

    def _try(self, link: Link, worker: str) -> tuple[int, Rows]:
        """Take the partitions, or say who has them and until when."""
        with link.transaction():
            found = link.execute(_LOCKED, (self._partitions,)).fetchall()
            owners = [owner for _, owner in found if owner is not None]
            if alive := link.execute(_ALIVE, (owners,)).fetchall():
                return 0, alive
            epoch = 1 + max(epoch for epoch, _ in found)
            link.execute("DELETE FROM worker WHERE leased_until < now() - interval '1 day'")
            name = f"{socket.gethostname()} with pid {os.getpid()}"
            link.execute(_ENTER, (worker, name, self._hub.address.lease))
            link.execute(_TAKE, (epoch, worker, self._partitions))
            return int(epoch), []

    def _beat(self, worker: str, left: threading.Event) -> None:
        address = self._hub.address
        while not left.wait(address.heartbeat):
            # What is wrong with the database is told by the next commit, and may be over by then.
            with suppress(StoreError):
                self._hub.connections.write([(_RENEW, (address.lease, worker))])

    def release(self) -> None:
        """Let another take them; does nothing when they are not ours.

        When the database is away they become free at the end of the lease.
        """
        worker, self._worker = self._worker, None
        if worker is None:
            return
        self._left.set()
        if self._heart is not None:
            self._heart.join()
        with suppress(StoreError):
            self._hub.connections.write(
                [(_RELEASE, (self._partitions, worker)), (_LEAVE, (worker,))]
            )
