"""Why is it waiting? Answered from the store alone, without the instance's code."""

from collections.abc import Iterator

from ...actors.app import App
from ...actors.errors import DefinitionNotFoundError
from ...actors.history import EntityLockRequested, TaskScheduled, Turn
from ...actors.moments import moment
from ...actors.openwork import OpenWork, open_work
from ...actors.status import Status
from ...persistence.records import InstanceRow
from ...persistence.store import Store
from .views import Waiting, parked_of


def waiting_for(
    row: InstanceRow,
    turns: list[Turn],
    store: Store,
    app: App,
    now: int,
    *,
    unreadable: str | None = None,
) -> list[Waiting]:
    """Everything that an instance waits for.

    Activities that `app` does not have wait for a deployment, unless the app has nothing at all.
    `unreadable` says why there are more turns than these.
    """
    if row.status.is_terminal:
        return []
    found = [*_outer(row)]
    if unreadable is not None:
        # It will be parked for that when it is to go on, if it is not. What the turns before have
        # asked for may have come.
        return found or [Waiting("mend", row.name, detail=unreadable)]
    work = open_work(turns)
    found.extend(_work(work, app, now))
    found.extend(_entities(work, store))
    found.extend(Waiting("event", name) for name in work.awaited)
    return found


def _outer(row: InstanceRow) -> Iterator[Waiting]:
    parked = parked_of(row)
    if parked is not None:
        kind = "definition" if parked.reason == "missing definition" else "mend"
        yield Waiting(kind, row.name, detail=parked.message)
    if row.status is Status.SUSPENDED:
        yield Waiting("resume", "")
    if row.status is Status.PENDING:
        due = moment(row.scheduled_start) if row.scheduled_start is not None else None
        yield Waiting("start", row.name, since=moment(row.created), due=due)


def _is_missing(app: App, activity: str) -> bool:
    try:
        app.activity_of(activity)
    except DefinitionNotFoundError:
        return bool(app.activities or app.orchestrations)
    return False


def _activity_kind(activity: TaskScheduled, app: App, now: int) -> str:
    if activity.due is not None and activity.due > now:
        return "retry"
    return "definition" if _is_missing(app, activity.name) else "activity"


def _work(work: OpenWork, app: App, now: int) -> Iterator[Waiting]:
    for activity in work.activities.values():
        failed = work.failures.get(activity.id)
        kind = _activity_kind(activity, app, now)
        yield Waiting(
            kind,
            activity.name,
            since=moment(activity.at),
            due=moment(activity.due) if kind == "retry" and activity.due is not None else None,
            task_id=activity.id,
            attempt=activity.attempt,
            detail=f"last failure {failed.failure}" if failed is not None else None,
        )
    for timer in work.timers.values():
        yield Waiting(
            "timer", "", since=moment(timer.at), due=moment(timer.fire_at), task_id=timer.id
        )
    for child in work.children.values():
        yield Waiting(
            "sub-orchestration",
            child.name,
            since=moment(child.at),
            task_id=child.id,
            attempt=child.attempt,
            detail=f"instance {child.instance_id}",
        )


def _entities(work: OpenWork, store: Store) -> Iterator[Waiting]:
    for call in work.entity_calls.values():
        row = store.entity(call.target)
        parked = parked_of(row) if row is not None else None
        yield Waiting(
            "entity call",
            f"{call.target}.{call.operation}",
            since=moment(call.at),
            task_id=call.id,
            holder=row.locked_by if row is not None else None,
            detail=parked.message if parked is not None else None,
        )
    if work.section is not None and not work.section_granted:
        yield _lock(work.section, store)


def _lock(request: EntityLockRequested, store: Store) -> Waiting:
    """The first entity of the set that somebody else holds is what is waited for."""
    for target in request.lock_set:
        row = store.entity(target)
        holder = row.locked_by if row is not None else None
        if holder is not None and holder != request.parent_instance_id:
            return Waiting(
                "entity lock", target, since=moment(request.at), task_id=request.id, holder=holder
            )
    names = ", ".join(request.lock_set)
    return Waiting("entity lock", names, since=moment(request.at), task_id=request.id)
