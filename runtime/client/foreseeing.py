"""What will become of instances once their owner has read what lies in the inbox."""

from collections.abc import Collection, Sequence

from attrs import evolve

from ...actors.history import (
    AnyEvent,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionSuspended,
    ExecutionTerminated,
)
from ...actors.status import Status
from ...actors.wire import UnreadableEventError
from ...persistence.records import InstanceRow, MessageRow
from ...persistence.store import Store
from ..engine.restore import message as message_of


def looked_at(store: Store, ids: Collection[str]) -> dict[str, tuple[InstanceRow | None, Status]]:
    """Instances as they are, and the status that each will have."""
    return {
        instance_id: (row, _foreseen(row.status if row is not None else Status.PENDING, waiting))
        for instance_id, (row, waiting) in _with_inbox(store, ids).items()
    }


def awaited(store: Store, ids: Collection[str]) -> dict[str, InstanceRow]:
    """Instances as those see them who wait for them: a rewind on its way takes a failure back."""
    rows = store.instances(ids)
    failed = [row.id for row in rows.values() if row.status is Status.FAILED]
    looked = _with_inbox(store, failed) if failed else {}
    for instance_id, (row, waiting) in looked.items():
        if row is None:
            del rows[instance_id]
        elif row.status is Status.FAILED and any(map(_rewinds, waiting)):
            rows[instance_id] = evolve(
                row, status=Status.RUNNING, completed=None, output=None, failure=None
            )
        else:
            rows[instance_id] = row
    return rows


def _with_inbox(
    store: Store, ids: Collection[str]
) -> dict[str, tuple[InstanceRow | None, list[MessageRow]]]:
    # The inbox first: what the owner takes from it meanwhile shows in the row, and so is seen
    # twice at most. The other way round it would be seen nowhere.
    waiting: dict[str, list[MessageRow]] = {instance_id: [] for instance_id in ids}
    for message in store.posted(ids):
        waiting[message.target].append(message)
    rows = store.instances(ids)
    return {instance_id: (rows.get(instance_id), waiting[instance_id]) for instance_id in ids}


def _foreseen(status: Status, waiting: Sequence[MessageRow]) -> Status:
    for row in waiting:
        match _readable(row):
            case ExecutionRewound() if status is Status.FAILED:
                status = Status.RUNNING
            case _ if status.is_terminal:
                pass
            case ExecutionSuspended():
                status = Status.SUSPENDED
            case ExecutionResumed() if status is Status.SUSPENDED:
                status = Status.RUNNING
            case ExecutionTerminated():
                status = Status.TERMINATED
            case _:
                pass
    return status


def _rewinds(row: MessageRow) -> bool:
    return isinstance(_readable(row), ExecutionRewound)


def _readable(row: MessageRow) -> AnyEvent | None:
    try:
        return message_of(row).event
    except UnreadableEventError:
        return None
