"""Looking at orchestrations: status, history, queries, counts, waiting."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeVar, TypeVarTuple, cast

import orjson
from attrs import Factory, define

from ...actors.errors import HistoryUnreadableError, InstanceNotFoundError, StoreCorruptError
from ...actors.history import Turn
from ...actors.moments import micros
from ...actors.status import Status
from ...actors.targets import checked_tags
from ...persistence.records import InstanceRow, Query
from ...persistence.sharing import is_shared
from ...persistence.store import Store
from ..clock import time_limit
from ..engine.restore import turns_of
from .gateway import Gateway
from .progress import Follower, HistoryMark
from .views import (
    HistoryEvent,
    InstancePage,
    InstanceStatus,
    QueueStatus,
    WorkerStatus,
    history_events,
    instance_status,
    queue_status,
    worker_status,
)
from .waiting import waiting_for

R = TypeVar("R")
E = TypeVar("E")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PAGE_SIZE = 100
PAGE_SIZE_MAX = 1_000_000
TRIES_MAX = 5
"""How often a row is read anew of an instance that changes all the time."""


class Queries:
    """The part of the client that reads."""

    @property
    def gateway(self) -> Gateway:
        """The way to the actors; raises `RuntimeClosedError` when there is none."""
        raise NotImplementedError

    async def get_status(
        self,
        instance_id: str,
        *,
        show_input: bool = True,
        show_history: bool = False,
        show_waiting: bool = False,
    ) -> InstanceStatus | None:
        """What is known of an instance, or None when there is none.

        `show_history` adds its events, `show_waiting` what it waits for, as of its last commit.
        """
        app, now = self.gateway.app, self.gateway.clock.now()

        def read(store: Store) -> InstanceStatus | None:
            row, log = store.instance(instance_id), _Log()
            if show_history or show_waiting:
                row, log = _row_and_log(store, row, whole=show_history)
            if row is None:
                return None
            status = instance_status(row, app.codec)
            if not show_input:
                status.input = None
            if show_history:
                status.history = history_events(log.turns)
            if show_waiting:
                status.waiting_for = waiting_for(
                    row, log.turns, store, app, now, unreadable=log.unreadable
                )
            return status

        return await self.gateway.read(read)

    async def get_many(self, instance_ids: Collection[str]) -> dict[str, InstanceStatus]:
        """Many instances at once; unknown ids are left out."""
        rows = await self.gateway.read(lambda store: store.instances(instance_ids))
        codec = self.gateway.app.codec
        return {key: instance_status(row, codec) for key, row in rows.items()}

    async def export_history(self, instance_id: str) -> str:
        """The current execution's history as JSON, for `perdure.testing.replay`."""
        documents = [event.document() for event in await self.get_history(instance_id)]
        if documents:
            documents[0]["instance_id"] = instance_id
        return orjson.dumps(documents, option=orjson.OPT_INDENT_2).decode()

    async def get_history(self, instance_id: str) -> list[HistoryEvent]:
        """The events of the current execution.

        Raises `InstanceNotFoundError`, and `HistoryUnreadableError` for damage.
        """
        status = await self.get_status(instance_id, show_history=True)
        if status is None:
            raise InstanceNotFoundError(instance_id)
        return status.history or []

    def follow(self, instance_id: str, *, after: HistoryMark | None = None) -> Follower:
        """Follow an instance's progress to its end, from `after` on: see `Follower`."""
        return Follower(self.gateway, instance_id, after)

    async def query(
        self,
        *,
        statuses: Collection[Status] = (),
        names: Collection[str] = (),
        instance_id_prefix: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        completed_from: datetime | None = None,
        completed_to: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        parent_instance_id: str | None = None,
        version: str | None = None,
        page_size: int = PAGE_SIZE,
        continuation_token: str | None = None,
        show_payloads: bool = True,
    ) -> InstancePage:
        """Matching orchestrations by creation; every page but the last has `page_size` of them.

        An empty `version` is that of instances which were started without one.
        """
        wanted = _query(
            statuses,
            names,
            instance_id_prefix,
            (created_from, created_to, completed_from, completed_to),
            tags,
            parent_instance_id,
            version,
        )
        check_page(page_size, continuation_token)
        page = await self.gateway.read(
            lambda store: store.query(wanted, page_size, continuation_token)
        )
        codec = self.gateway.app.codec
        found = [instance_status(row, codec, payloads=show_payloads) for row in page.rows]
        return InstancePage(found, page.token)

    async def query_all(self, **filters: Any) -> AsyncIterator[InstanceStatus]:
        """All matching orchestrations, page by page; takes what `query` takes."""
        token: str | None = None
        while True:
            page = await self.query(**filters, continuation_token=token)
            for status in page.instances:
                yield status
            token = page.continuation_token
            if token is None:
                return

    async def count(
        self,
        *,
        statuses: Collection[Status] = (),
        names: Collection[str] = (),
        instance_id_prefix: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        completed_from: datetime | None = None,
        completed_to: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        parent_instance_id: str | None = None,
        version: str | None = None,
    ) -> dict[Status, int]:
        """How many orchestrations match, by status; takes the filters of `query`."""
        times = (created_from, created_to, completed_from, completed_to)
        prefix, parent = instance_id_prefix, parent_instance_id
        wanted = _query(statuses, names, prefix, times, tags, parent, version)
        return await self.gateway.read(lambda store: store.count(wanted))

    async def workers(self) -> list[WorkerStatus]:
        """The workers that share this hub, by name; none where a store has one owner."""

        def read(store: Store) -> list[WorkerStatus]:
            rows = store.workers() if is_shared(store) else []
            return [worker_status(row) for row in rows]

        return await self.gateway.read(read)

    async def queues(self) -> list[QueueStatus]:
        """The shared activities that wait or run, by name; none where a store has one owner."""

        def read(store: Store) -> list[QueueStatus]:
            if not is_shared(store):
                return []
            rows = store.workers()
            return [queue_status(queue, rows) for queue in store.queues()]

        return await self.gateway.read(read)

    async def wait_for_start(
        self, instance_id: str, *, timeout: float | None = None
    ) -> InstanceStatus:
        """Wait until an instance is not Pending any more.

        Raises `InstanceNotFoundError`, `TimeoutError` after `timeout` seconds, and
        `StoreCorruptError` when what is known of it is damaged.
        """
        row = await self._wait(instance_id, lambda row: row.status is not Status.PENDING, timeout)
        return instance_status(row, self.gateway.app.codec)

    async def wait_for_completion(
        self, instance_id: str, *, timeout: float | None = None
    ) -> InstanceStatus:
        """Wait until an instance has ended, in whatever way.

        Raises `InstanceNotFoundError`, `TimeoutError` after `timeout` seconds, and
        `StoreCorruptError` when what is known of it is damaged.
        """
        row = await self.end_of(instance_id, timeout)
        return instance_status(row, self.gateway.app.codec)

    async def end_of(self, instance_id: str, timeout: float | None = None) -> InstanceRow:
        """What the store has of an instance when it has ended; see `wait_for_completion`."""
        return await self._wait(instance_id, _has_ended, timeout)

    async def _wait(
        self, instance_id: str, until: Callable[[InstanceRow], bool], timeout: float | None
    ) -> InstanceRow:
        try:
            with time_limit(timeout):
                row = await self.gateway.watch(
                    instance_id, lambda row: row.damage is not None or until(row)
                )
        except TimeoutError:
            known = await self.get_status(instance_id, show_input=False)
            now = f"is {known.runtime_status.label}" if known is not None else "is gone"
            raise TimeoutError(f"instance {instance_id!r} {now} after {timeout} s") from None
        if row.damage is not None:
            raise StoreCorruptError(row.damage)
        return row


@define
class _Log:
    """What can be read of a log."""

    turns: list[Turn] = Factory(list[Turn])
    unreadable: str | None = None
    """Why these are not all."""


def _row_and_log(
    store: Store, row: InstanceRow | None, *, whole: bool
) -> tuple[InstanceRow | None, _Log]:
    """What goes together: a commit may come between reading the one and the other."""
    log = _Log()
    for _ in range(TRIES_MAX):
        if row is None:
            break
        log = _log(store, row.id, whole=whole)
        before, row = row, store.instance(row.id)
        if row == before:
            break
    return row, log


def _log(store: Store, instance_id: str, *, whole: bool) -> _Log:
    """The turns; of a log that is unreadable those before, unless the `whole` is wanted."""
    log = _Log()
    try:
        for _, turn in turns_of(store, instance_id):
            log.turns.append(turn)
    except HistoryUnreadableError as error:
        if whole:
            raise
        log.unreadable = str(error)
    return log


def _has_ended(row: InstanceRow) -> bool:
    return row.status.is_terminal


def optional_micros(when: datetime | None) -> int | None:
    return micros(when) if when is not None else None


def checked_statuses(argument: str, given: Collection[Status]) -> frozenset[Status]:
    """The statuses as a set; raises `TypeError` for anything but a collection of `Status`."""
    for status in _members(argument, given, "Status members"):
        if not isinstance(status, Status):
            raise TypeError(f"{argument} takes Status members, not {status!r}")
    return frozenset(given)


def _checked_names(given: Collection[str]) -> frozenset[str]:
    for name in _members("names", given, "texts"):
        if not isinstance(name, str):
            raise TypeError(f"names takes texts, not {name!r}")
    return frozenset(given)


def _members(argument: str, given: object, kind: str) -> Collection[object]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Collection):
        raise TypeError(f"{argument} takes a collection of {kind}, not {given!r}")
    return cast("Collection[object]", given)


def check_text(argument: str, given: object) -> None:
    """Raise `TypeError` for what is no text."""
    if not isinstance(given, str):
        raise TypeError(f"{argument} is a text, not {given!r}")


def check_page(page_size: object, continuation_token: object) -> None:
    """Raise `TypeError` or `ValueError` for what asks for no page."""
    if continuation_token is not None:
        check_text("continuation_token", continuation_token)
    if not isinstance(page_size, int):
        raise TypeError(f"page_size is a whole number, not {page_size!r}")
    if not 1 <= page_size <= PAGE_SIZE_MAX:
        raise ValueError(f"page_size must be at least 1 and at most {PAGE_SIZE_MAX}")


def _query(
    statuses: Collection[Status],
    names: Collection[str],
    prefix: str,
    times: tuple[datetime | None, datetime | None, datetime | None, datetime | None],
    tags: Mapping[str, str] | None,
    parent_id: str | None,
    version: str | None,
) -> Query:
    if version is not None:
        check_text("version", version)
    check_text("instance_id_prefix", prefix)
    created_from, created_to, completed_from, completed_to = map(optional_micros, times)
    return Query(
        checked_statuses("statuses", statuses),
        _checked_names(names),
        prefix,
        created_from,
        created_to,
        completed_from,
        completed_to,
        tuple(checked_tags(tags).items()),
        parent_id,
        version,
    )
