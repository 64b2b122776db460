"""Is memory what the log says? Asked after every turn of a runtime with `verify=True`.

1.  At the turn the actor's state in memory is noted; once the turn is durable, the log up to it is
    read from the store, replayed, and the outcome compared with the note.
2.  Code that does not follow its own history is found here right away, and not at the next start.
3.  Whoever differs is parked, and leaves memory: after `resume` it begins from the log.

It costs a replay of the whole history for each turn: it is for tests and for staging.
"""

import logging
from functools import partial
from typing import Any

from attrs import define

from ..actors.app import App
from ..actors.comparison import described, waiting_line
from ..actors.context import OrchestrationContext
from ..actors.effects import Effects, Parked, parked_by
from ..actors.entity import Entity
from ..actors.errors import DefinitionNotFoundError, NonDeterminismError
from ..actors.history import Turn
from ..actors.openwork import OpenWork
from ..actors.orchestration import Orchestration
from ..actors.outcomes import Raised, Returned
from ..actors.replay import Execution, Identity
from ..actors.status import Status
from ..persistence.records import Stored
from ..persistence.store import Store
from .engine.batch import Act
from .engine.observing import Actor
from .engine.partition import Partition
from .engine.restore import turn
from .engine.seclusion import secluded
from .lanes import Lane

logger = logging.getLogger("perdure.runtime")

Note = dict[str, Any]
"""What is to be the same, by what it is called."""


@define
class _Look:
    """What is to be held against the store once that has the turn."""

    execution_id: str
    turns: int
    row: Note
    code: Note | None
    """None when the code is not in memory."""
    identity: Identity
    life: int


class SelfCheck:
    """An observer that replays every turn."""

    def __init__(self, app: App, store: Store, lane: Lane, partition: Partition) -> None:
        self._app = app
        self._store = store
        self._lane = lane
        self._partition = partition
        self._states: dict[str, list[str | None]] = {}
        """Of each entity the snapshots of turns that are not known to be in the store."""
        self.turns = 0
        """How many were compared."""
        self.found: list[str] = []
        """What was different, in words."""

    def turn_taken(self, actor: Actor, effects: Effects) -> Act | None:
        """Note what memory has."""
        if effects.parked is not None:
            return None
        if isinstance(actor, Entity):
            return self._noted_entity(actor, effects)
        return partial(self._read, actor.id, self._look(actor)) if effects.turns else None

    def actor_parked(self, actor: Actor, parked: Parked) -> Act | None:
        """Nothing was done."""
        return None

    def _read(self, actor_id: str, look: _Look) -> None:
        def done(stored: dict[str, Stored] | None, error: BaseException | None) -> None:
            if stored is not None and error is None and look.life == self._partition.life:
                self._compare(look, stored[actor_id])

        self._lane.submit(partial(self._store.load, [actor_id]), done)

    # Orchestrations

    def _look(self, actor: Orchestration) -> _Look:
        execution = actor.execution
        return _Look(
            actor.execution_id,
            actor.turns_recorded,
            _row_of(actor),
            _code_of(execution) if execution is not None else None,
            Identity(
                actor.id, actor.execution_id, actor.name, actor.version, actor.parent, actor.tags
            ),
            self._partition.life,
        )

    def _compare(self, look: _Look, stored: Stored) -> None:
        row = stored.instance
        if row is None or row.execution_id != look.execution_id:
            return  # It has begun anew since, and its log is gone.
        self.turns += 1
        if len(stored.turns) < look.turns:
            missing = {"turns": (look.turns, len(stored.turns))}
            self._refuse(look.identity.instance_id, _differs(missing))
            return
        found = {}
        if len(stored.turns) == look.turns:
            seen = {name: getattr(row, name) for name in look.row}
            found = _differences(look.row, seen)
        try:
            # A termination needs no code, and may have none.
            if look.row["status"] is not Status.TERMINATED:
                found |= self._replayed(look, [turn(each) for each in stored.turns[: look.turns]])
        except NonDeterminismError as error:
            self._refuse(look.identity.instance_id, parked_by(error))
        except DefinitionNotFoundError:
            return
        else:
            if found:
                self._refuse(look.identity.instance_id, _differs(found))

    def _replayed(self, look: _Look, turns: list[Turn]) -> dict[str, tuple[Any, Any]]:
        definition = self._app.recorded_orchestration(look.identity.name, look.identity.version)
        if definition.refusal is not None:
            return {}  # It failed without a replay.
        with secluded():
            execution = Execution(self._app, definition, look.identity, OrchestrationContext)
            try:
                execution.replay(turns)
                found = _differences(look.row, _said_by(execution, look.row))
                if look.code is not None:
                    return found | _differences(look.code, _code_of(execution))
                return found | _differences(look.row, _end_of(execution, look.row))
            finally:
                execution.close()

    # Entities

    def _noted_entity(self, actor: Entity, effects: Effects) -> Act | None:
        remembered = actor.remembered
        if remembered != actor.state:
            found = {"state in memory": (remembered, actor.state)}
            return partial(self._refuse, actor.id, _differs(found))
        if not effects.changed:
            return None
        self._states.setdefault(actor.id, []).append(actor.state)
        return partial(self._read_entity, actor.id, self._partition.life)

    def _read_entity(self, entity_id: str, life: int) -> None:
        def done(stored: dict[str, Stored] | None, error: BaseException | None) -> None:
            if stored is not None and error is None and life == self._partition.life:
                self._compare_entity(entity_id, stored[entity_id])
            else:
                self._states.pop(entity_id, None)

        self._lane.submit(partial(self._store.load, [entity_id]), done)

    def _compare_entity(self, entity_id: str, stored: Stored) -> None:
        states = self._states.get(entity_id)
        if not states:
            return
        self.turns += 1
        state = stored.entity.state if stored.entity is not None else None
        # Turns of one commit leave one snapshot, that of the last.
        if state not in states:
            self._refuse(entity_id, _differs({"state in the store": (states[0], state)}))
            del self._states[entity_id]
            return
        states.pop(0)
        if not states:
            del self._states[entity_id]

    # What differs

    def _refuse(self, actor_id: str, parked: Parked) -> None:
        """Park it, and let go of what memory has of it once that is in the store."""
        self.found.append(f"{actor_id}: {parked.message}")
        slot = self._partition.residents.slots.get(actor_id)
        if slot is None or slot.actor is None:
            logger.error("the self-check came too late to park %s: %s", actor_id, parked.message)
            return
        logger.error("the self-check parks %s: %s", actor_id, parked.message)
        self._partition.park(slot, parked)
        self._partition.when_all_durable(partial(self._drop, actor_id))

    def _drop(self, actor_id: str) -> None:
        partition = self._partition
        slot = partition.residents.slots.get(actor_id)
        if slot is not None and slot.actor is not None and slot.parked is not None:
            waiting = list(slot.actor.inbox)
            partition.residents.drop(slot)
            for message in waiting:
                partition.deliver(message)


def _row_of(actor: Orchestration) -> Note:
    return {
        "status": actor.status,
        "output": actor.output,
        "custom_status": actor.custom_status,
        "open": actor.open_activities,
        "completed": actor.completed,
        "input": actor.input,
    }


def _code_of(execution: Execution) -> Note:
    """Where the code stands, and all that it has asked for."""
    work = OpenWork.of(execution)
    work.failures.clear()
    return {
        "open calls": work,
        "new calls": [described(event) for event in execution.asked.values()],
        "kept events": execution.events.unclaimed(),
        "suspended": execution.suspended,
        "held events": list(execution.held),
        "random numbers": execution.chances.random.getstate(),
        "waits at": [waiting_line([fiber]) for fiber in execution.kernel.fibers],
    }


def _said_by(execution: Execution, row: Note) -> Note:
    """The row that the code leads to on its way; without a word the status of before stays."""
    return {**row, "custom_status": execution.custom_status or row["custom_status"]}


def _end_of(execution: Execution, row: Note) -> Note:
    """The row that this end of the code leads to."""
    match execution.outcome:
        case Returned(result=result):
            return {**row, "status": Status.COMPLETED, "output": result}
        case Raised():
            return {**row, "status": Status.FAILED}
        case None:
            return {**row, "status": Status.RUNNING}
        case _:
            return row


def _differences(memory: Note, log: Note) -> dict[str, tuple[Any, Any]]:
    return {
        name: (value, log[name]) for name, value in memory.items() if value != log.get(name, value)
    }


def _differs(found: dict[str, tuple[Any, Any]]) -> Parked:
    parts = (f"{name} {memory!r:.300}, not {log!r:.300}" for name, (memory, log) in found.items())
    told = "; ".join(parts)
    return Parked("engine error", f"memory differs from the log: {told}")
