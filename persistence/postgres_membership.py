"""One worker of a hub in PostgreSQL: its lease, and the partitions that it owns.

A lease ends by the database's clock. It only says what others may claim; that a former owner
cannot write is up to the epochs, which are in the same transaction as each commit.
"""

import math
import os
import selectors
import socket
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from random import SystemRandom
from time import monotonic
from uuid import uuid4

import orjson
import psycopg

from ..actors.errors import StoreError
from . import postgres_errands
from .postgres_connections import Link, Step
from .postgres_hub import PostgresHub, heard
from .postgres_stuck import ending_stuck
from .records import Errand, ErrandKey, Hint, Roster, Waiting, WorkerRow

Met = Callable[[Roster], object]
Told = Callable[[Hint], object]

_MEMBERS = Hint(members=True)
_AFTER = 0.01
"""So many seconds after the end of another's lease it is looked whether that worker is dead."""

_LEASED = "clock_timestamp() + %s * interval '1 second'"

# A lease that had ended by then shows in what was there before.
_BEAT = f"""
    WITH before AS (
        SELECT leased_until <= clock_timestamp() AS lapsed FROM worker WHERE id = %s
    ), renewed AS (
        INSERT INTO worker (id, name, repertoire, leased_until) VALUES (%s, %s, %s, {_LEASED})
        ON CONFLICT (id) DO UPDATE
        SET leased_until = excluded.leased_until, beaten = clock_timestamp() RETURNING 1
    )
    SELECT count(*) = 1 AND coalesce((SELECT lapsed FROM before), false) FROM renewed
"""
# What a worker can run never changes: it is read once.
_ALIVE = """
    SELECT id, name, CASE WHEN id = ANY(%s::text[]) THEN NULL ELSE repertoire END,
        extract(epoch FROM leased_until - clock_timestamp())::float8
    FROM worker WHERE leased_until > clock_timestamp() ORDER BY id
"""
_OWNERS = "SELECT number, epoch, worker, needs FROM partition ORDER BY number"
# What a large backlog is beyond that makes no difference to who looks, but would to the heartbeat.
_LAG = f"""
    SELECT (SELECT count(*) FROM (
        SELECT 1 FROM inbox JOIN partition ON partition.number = inbox.partition WHERE worker = %s
        UNION ALL
        SELECT 1 FROM letter JOIN partition ON partition.number = letter.partition WHERE worker = %s
        LIMIT 100000
    ) AS waiting),
    (SELECT count(*) FROM errand WHERE worker = %s), idle.count, idle.waited,
    EXISTS (SELECT 1 FROM errand WHERE {postgres_errands.LEFT_BEHIND})
    FROM ({postgres_errands.IDLE}) AS idle
"""
_FORGET = "DELETE FROM worker WHERE leased_until < now() - interval '1 day'"

# Locked in their order, so that workers who claim the same wait for each other.
_CLAIM = """
    UPDATE partition SET epoch = epoch + 1, worker = %s WHERE number IN (
        SELECT number FROM partition WHERE number = ANY(%s::integer[]) AND (
            worker IS NULL OR worker NOT IN (
                SELECT id FROM worker WHERE leased_until > clock_timestamp()
            )
        ) ORDER BY number FOR UPDATE
    ) RETURNING number, epoch
"""
_END_STUCK = ending_stuck(
    "partition",
    """
        SELECT 1 FROM partition JOIN worker ON worker = id
        WHERE number = ANY(%s::integer[]) AND leased_until <= clock_timestamp()
    """,
)
_RECLAIM = """
    UPDATE partition SET epoch = epoch + 1 WHERE number IN (
        SELECT number FROM partition WHERE worker = %s ORDER BY number FOR UPDATE
    ) RETURNING number, epoch
"""
_NEED = """
    UPDATE partition SET needs = found.value FROM jsonb_each_text(%s::jsonb) AS found
    WHERE partition.number = found.key::integer AND partition.worker = %s
"""
_RELEASE = "UPDATE partition SET worker = NULL WHERE number = ANY(%s::integer[]) AND worker = %s"
_RELEASE_ALL = "UPDATE partition SET worker = NULL WHERE worker = %s"
_LEAVE = "DELETE FROM worker WHERE id = %s"

_MICROSECONDS = "(extract(epoch FROM {}) * 1000000)::bigint"
_WORKERS = f"""
    SELECT id, name, array(SELECT number FROM partition WHERE worker = worker_.id ORDER BY number),
        {_MICROSECONDS.format("entered")}, {_MICROSECONDS.format("clock_timestamp() - beaten")},
        {_MICROSECONDS.format("leased_until - clock_timestamp()")},
        (SELECT count(*) FROM inbox JOIN partition ON partition.number = inbox.partition
            WHERE worker = worker_.id)
        + (SELECT count(*) FROM letter JOIN partition ON partition.number = letter.partition
            WHERE worker = worker_.id),
        repertoire
    FROM worker AS worker_ ORDER BY name, id
"""


class Membership:
    """See `perdure.persistence.sharing.Membership`."""

    def __init__(
        self, hub: PostgresHub, lease: float | None, heartbeat: float | None, repertoire: str
    ) -> None:
        self.id = uuid4().hex
        self._hub = hub
        self._repertoire = repertoire
        self._repertoires: dict[str, str] = {}
        self._lease = hub.address.lease if lease is None else lease
        self._heartbeat = hub.address.heartbeat if heartbeat is None else heartbeat
        if self._heartbeat * 2 > self._lease:
            raise StoreError(
                f"a lease of {self._lease} s with a heartbeat of {self._heartbeat} s would lapse "
                "at the first delay: let worker_lease be at least two of worker_heartbeat"
            )
        self._name = f"{socket.gethostname()} with pid {os.getpid()}"
        self._thread: threading.Thread | None = None
        self._left = threading.Event()
        self._wakers: tuple[socket.socket, ...] = ()
        self.hears = False
        self._entered = False
        hub.connections.write([(_FORGET, ())])

    def beat(self) -> Roster:
        began = monotonic()
        known = self._repertoires
        renewed = _BEAT, (self.id, self.id, self._name, self._repertoire, self._lease)
        seen = _ALIVE, (list(known),)
        work = _LAG, (self.id, self.id, self.id)
        # Who hears of a worker looks for it at once: it has to be there by then.
        news = [] if self._entered else self._hub.telling(_MEMBERS)
        lapsed, alive, owners, (counted,) = self._hub.connections.write(
            [renewed, seen, (_OWNERS, ()), work], news
        )
        self._entered = True
        lag, taken, waiting, waited, left_behind = counted
        names = {worker: name for worker, name, _, _ in alive}
        self._repertoires = {
            worker: known.get(worker, "") if repertoire is None else repertoire
            for worker, _, repertoire, _ in alive
        }
        return Roster(
            {number: epoch for number, epoch, worker, _ in owners if worker == self.id},
            [number for number, _, worker, _ in owners if worker not in names],
            [number for number, _, worker, _ in owners if worker is None],
            list(names),
            {number: worker for number, _, worker, _ in owners if worker in names},
            {number: needs for number, _, _, needs in owners if needs},
            names,
            self._repertoires,
            bool(lapsed[0][0]),
            lag,
            taken,
            waiting,
            waited,
            left_behind,
            began,
            self._lease,
            min((left for worker, _, _, left in alive if worker != self.id), default=math.inf),
        )

    def claim(self, partitions: Collection[int]) -> dict[int, int]:
        # Where that is not allowed, or there is no such thing, the claim waits for the locks.
        with suppress(StoreError):
            self._hub.connections.ask(_END_STUCK, self._lease / 2, list(partitions))
        (claimed,) = self._hub.connections.write([(_CLAIM, (self.id, list(partitions)))])
        return dict(claimed)

    def reclaim(self) -> dict[int, int]:
        (ours,) = self._hub.connections.write([(_RECLAIM, (self.id,))])
        return dict(ours)

    def release(self, partitions: Collection[int], needs: Mapping[int, str] | None = None) -> None:
        steps: list[Step] = []
        if needs:
            found = {str(number): text for number, text in needs.items()}
            steps.append((_NEED, (orjson.dumps(found).decode(), self.id)))
        steps.append((_RELEASE, (list(partitions), self.id)))
        self._hub.connections.write(steps, self._hub.telling(_MEMBERS))

    # Errands

    def waiting(self, names: Collection[str], now: int) -> Waiting:
        return postgres_errands.waiting(self._hub, names, now)

    def take(
        self, wanted: Mapping[str, int], now: int, *, left_behind: bool = False
    ) -> list[Errand]:
        if left_behind:
            with suppress(StoreError):
                self._hub.connections.ask(postgres_errands.END_STUCK, self._lease / 2)
        return postgres_errands.take(self._hub, self.id, wanted, now, left_behind=left_behind)

    def taken(self, known: Collection[ErrandKey]) -> list[Errand]:
        return postgres_errands.taken(self._hub, self.id, known)

    # The thread

    def watch(self, met: Met, told: Told) -> None:
        self._wakers = socket.socketpair()
        self._thread = threading.Thread(
            target=self._watch, args=(met, told), name="perdure-lease", daemon=True
        )
        self._thread.start()

    def _watch(self, met: Met, told: Told) -> None:
        link: Link | None = None
        due = monotonic()
        while not self._left.is_set():
            try:
                if monotonic() >= due:
                    # From the beginning of the beat: a slow one must not let the lease end.
                    due = monotonic() + self._heartbeat
                    met(roster := self.beat())
                    # Who is dead is to be replaced when its lease ends, and not a heartbeat later.
                    due = min(due, monotonic() + roster.lapses + _AFTER)
                if link is None:
                    link = self._hub.listen()
                    self.hears = link is not None
                    if self.hears:
                        # What was told while nobody listened was not heard.
                        due = monotonic()
                        continue
                self._await_hints(link, max(0.0, due - monotonic()))
                if link is not None and self._heard(link, told):
                    due = monotonic()
            except (StoreError, psycopg.Error):
                # What is wrong with the database is told by the next commit, and is over some time.
                self.hears = False
                if link is not None:
                    link.close()
                link = None
                # Shorter by luck: a database that comes back is not to meet all workers at once.
                self._left.wait(self._heartbeat / 4 * SystemRandom().uniform(0.5, 1))
        if link is not None:
            link.close()

    def _await_hints(self, link: Link | None, seconds: float) -> None:
        with selectors.DefaultSelector() as sources:
            sources.register(self._wakers[0], selectors.EVENT_READ)
            if link is not None:
                sources.register(link.fileno(), selectors.EVENT_READ)
            sources.select(seconds)

    def _heard(self, link: Link, told: Told) -> bool:
        """Pass on what was told; returns whether workers have come or gone."""
        hints = [heard(note.payload) for note in link.notifies(timeout=0)]
        come = frozenset(number for hint in hints for number in hint.come)
        changed = frozenset(number for hint in hints for number in hint.changed)
        asked = any(hint.asked for hint in hints)
        withdrawn = any(hint.withdrawn for hint in hints)
        listening = any(hint.listening for hint in hints)
        marks = {"asked": asked, "withdrawn": withdrawn, "listening": listening}
        if told_of := Hint(come, changed, **marks):
            told(told_of)
        return any(hint.members for hint in hints)

    def leave(self) -> None:
        if self._left.is_set():
            return
        self._left.set()
        if self._thread is not None:
            self._wakers[1].send(b".")
            self._thread.join()
        for waker in self._wakers:
            waker.close()
        # When the database is away they become free at the end of the lease.
        with suppress(StoreError):
            mine = (self.id,)
            steps = [(_RELEASE_ALL, mine), (postgres_errands.RELEASE, mine), (_LEAVE, mine)]
            self._hub.connections.write(steps, self._hub.telling(_MEMBERS))


def workers(hub: PostgresHub) -> list[WorkerRow]:
    """See `SharedStore.workers`."""
    return [WorkerRow(*row) for row in hub.connections.ask(_WORKERS)]
