"""What a client in another process hears of a hub: notifications, on a thread and a connection.

Workers tell of changes only when somebody may be waiting for them: other workers, which they see,
and clients, which say now and then that they listen, as long as somebody waits there.
"""

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from random import SystemRandom
from time import monotonic

import psycopg

from ..actors.errors import StoreError
from .postgres_connections import Link
from .postgres_hub import PostgresHub, heard
from .records import LISTENING_EVERY, Hint

_SETTLED = 1.0
"""So many seconds after saying that one listens, all workers have heard it."""
_RETRY = 5.0


class PostgresEar:
    """See `perdure.persistence.sharing.Ear`."""

    def __init__(self, hub: PostgresHub, told: Callable[[Hint], object]) -> None:
        self._hub = hub
        self._told = told
        self._closed = threading.Event()
        self._attended = self._said = float("-inf")
        self._hears_from: float | None = None
        self._wakers = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="perdure-ear", daemon=True)
        self._thread.start()

    @property
    def hears(self) -> bool:
        return self._hears_from is not None and monotonic() >= self._hears_from

    def attend(self) -> None:
        self._attended = monotonic()
        if self._attended - self._said >= LISTENING_EVERY:
            self._wake()

    def close(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        self._wake()
        self._thread.join()
        for waker in self._wakers:
            waker.close()

    def _wake(self) -> None:
        # One that is full wakes as well.
        with suppress(BlockingIOError):
            self._wakers[1].send(b".", socket.MSG_DONTWAIT)

    def _run(self) -> None:
        while not self._closed.is_set():
            # What is wrong with the database, those are told who ask it for something.
            with suppress(StoreError, psycopg.Error):
                link = self._hub.listen()
                if link is None:
                    return
                with link:
                    self._listen(link)
            self._hears_from = None
            self._closed.wait(_RETRY * SystemRandom().uniform(0.5, 1))

    def _listen(self, link: Link) -> None:
        self._said = float("-inf")
        while not self._closed.is_set():
            if self._attended - self._said >= LISTENING_EVERY:
                self._said = monotonic()
                for statement, values in self._hub.telling(Hint(listening=True)):
                    link.execute(statement.encode(), values)
                if self._hears_from is None:
                    self._hears_from = self._said + _SETTLED
            # Also what came along with the answer to what was just said.
            for note in link.notifies(timeout=0):
                self._told(heard(note.payload))
            with selectors.DefaultSelector() as sources:
                sources.register(self._wakers[0], selectors.EVENT_READ)
                sources.register(link.fileno(), selectors.EVENT_READ)
                ready = sources.select()
            if any(key.fileobj is self._wakers[0] for key, _ in ready):
                self._wakers[0].recv(4_096)
