"""What an operator wants to know of a task hub, whatever it lies in."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import frozen

from ..actors.status import TERMINAL, Status
from .checkup_logs import lost_turns

T = TypeVar("T")

Ask = Callable[..., list[tuple[Any, ...]]]
"""Runs a statement with `?` for each of the values behind it, on one state of the database."""

SECOND = 1_000_000
REPLY_SECONDS = 3_600
_OVERDUE_MICROSECONDS = 10 * SECOND
LISTED_MAX = 20

_STATUSES = frozenset(int(status) for status in Status)
_TERMINAL = f"({', '.join(str(int(status)) for status in sorted(TERMINAL))})"
_HELD_BACK = (
    f"(SELECT id FROM instance WHERE parked IS NOT NULL OR status = {int(Status.SUSPENDED)}"
    " UNION ALL SELECT id FROM entity WHERE parked IS NOT NULL OR locked_by IS NOT NULL)"
)
_PARKED = (
    "SELECT id, parked FROM instance WHERE parked IS NOT NULL"
    " UNION ALL SELECT id, parked FROM entity WHERE parked IS NOT NULL ORDER BY 1"
)
_OVERDUE = (
    f"SELECT instance_id, due FROM timer WHERE due < ? AND instance_id NOT IN {_HELD_BACK}"
    f" UNION ALL SELECT target, due FROM mailbox WHERE due < ? AND target NOT IN {_HELD_BACK}"
    f" UNION ALL SELECT target, due FROM inbox WHERE due < ? AND target NOT IN {_HELD_BACK}"
    " ORDER BY 2, 1"
)
_STUCK = (
    "SELECT entity.id, entity.locked_by, instance.status FROM entity"
    " LEFT JOIN instance ON instance.id = entity.locked_by WHERE entity.locked_by IS NOT NULL"
    f" AND (instance.id IS NULL OR instance.status IN {_TERMINAL}) ORDER BY 1"
)


@frozen
class Some(Generic[T]):
    """How many there are, and the first of them."""

    count: int
    first: list[T]


@frozen
class StuckLock:
    """The lock of an entity that nobody will give back."""

    entity_id: str
    holder: str
    status: Status | None
    """How the holder ended; None when there is no such instance."""


@frozen
class Contents:
    """What lies in a hub of the schema that this version knows."""

    statuses: dict[Status, int]
    entities: int
    turns: int
    timers: int
    mailbox: int
    inbox: int
    replies: int
    old_replies: int
    """Answers that nobody has taken for an hour."""
    parked: Some[tuple[str, str]]
    """Ids with the reasons as JSON."""
    overdue: Some[tuple[str, int]]
    """Timers and messages of actors that could take them, by actor and time, the oldest first."""
    stuck_locks: Some[StuckLock]
    lost_turns: Some[tuple[str, str]]
    """Ids with what is lost of their logs."""


def contents(
    ask: Ask, now: int, old_reply: str, mail: tuple[str, ...] = ("mailbox", "inbox")
) -> Contents:
    """Look at everything; `old_reply` is the condition that an answer has waited for an hour.

    `mail` are the tables in which messages wait.
    """
    statuses = ask("SELECT status, count(*) FROM instance GROUP BY status")
    stuck = _some(ask, _STUCK)
    statement, values = lost_turns(mail)
    locks = [
        StuckLock(entity_id, holder, Status(status) if status in _STATUSES else None)
        for entity_id, holder, status in stuck.first
    ]
    return Contents(
        statuses={Status(status): number for status, number in statuses if status in _STATUSES},
        entities=_count(ask, "entity"),
        turns=_count(ask, "turn"),
        timers=_count(ask, "timer"),
        mailbox=_count(ask, "mailbox"),
        inbox=_count(ask, "inbox"),
        replies=_count(ask, "reply"),
        old_replies=_count(ask, f"reply WHERE {old_reply}"),
        parked=_some(ask, _PARKED),
        overdue=_some(ask, _OVERDUE, *[now - _OVERDUE_MICROSECONDS] * 3),
        stuck_locks=Some(stuck.count, locks),
        lost_turns=_some(ask, statement, *values),
    )


def _some(ask: Ask, statement: str, *values: object) -> Some[Any]:
    ((count,),) = ask(f"SELECT count(*) FROM ({statement}) AS found", *values)
    return Some(int(count), ask(f"{statement} LIMIT {LISTED_MAX}", *values))


def _count(ask: Ask, rows: str) -> int:
    ((count,),) = ask(f"SELECT count(*) FROM {rows}")
    return int(count)
