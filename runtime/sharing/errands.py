"""Errands of the actors here: activities that any worker may run.

1.  What is asked for is a row in the commit of the turn that asks. It is gone when it is answered;
    who withdraws it deletes it in the commit that does so.
2.  The rows say what is under way, also to the next owner of a partition: it begins only those
    activities anew that have none, and no outcome that has come already.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ...actors.app import App
from ...actors.effects import Effects
from ...actors.history import TaskCompleted, TaskFailed, TaskScheduled
from ...actors.repertoire import Needed
from ...actors.wire import write_event
from ...persistence.records import Errand, ErrandKey
from ..clock import Bell
from ..engine.timers import Timers
from .code import Code
from .holdings import Holdings
from .letters import LetterCarrier

if TYPE_CHECKING:
    from ..engine.partition import Partition

Call = tuple[str, int]
"""Execution and task."""
Asked = tuple[int, ErrandKey]
"""Which attempt of a call is an errand."""


class Errands:
    """What the actors of one worker have asked for, and was not answered yet."""

    def __init__(self, app: App, holdings: Holdings, timers: Timers) -> None:
        self._app = app
        self._holdings = holdings
        self._timers = timers
        self._asked: dict[str, dict[Call, Asked]] = {}
        self.partition: Partition
        """Of which the actors are."""
        self.bell = Bell()
        """Rung when there may be errands to take."""

    def serve(self, partition: "Partition") -> None:
        """See to the errands of these actors."""
        self.partition, partition.errands = partition, self

    @property
    def carrier(self) -> LetterCarrier:
        """Who writes letters for the actors here."""
        carrier = self.partition.postman
        assert isinstance(carrier, LetterCarrier)  # noqa: S101 - made so for all who share
        return carrier

    @property
    def code(self) -> Code:
        """What workers can run."""
        return self._holdings.code

    def concerned_by(self, event: TaskScheduled, *, recovered: bool = False) -> bool:
        """Whether any worker may run that: it is shared, or only others have it.

        What nobody has fails where it is asked for; if it was `recovered` it waits instead.
        """
        definition = self._app.activities.get(event.name) or self._app.built_in.get(event.name)
        if definition is not None:
            return definition.shared
        return recovered or self.code.found_elsewhere(Needed("activity", event.name))

    def knows(self, instance_id: str, execution_id: str, event: TaskScheduled) -> bool:
        """Whether this attempt has been asked for, and was not answered."""
        asked = self._asked.get(instance_id, {}).get((execution_id, event.id))
        return asked is not None and asked[0] == event.attempt

    def absorb(self, instance_id: str, effects: Effects) -> list[TaskScheduled]:
        """Make what a turn asks of others part of the batch; returns what is to be run here."""
        if instance_id in self._asked:
            self._forget_answered(instance_id, effects)
        here: list[TaskScheduled] = []
        for event in effects.activities:
            if self.concerned_by(event):
                self.ask(instance_id, effects.execution_id, event)
            else:
                here.append(event)
        if effects.all_called_off:
            self.withdraw_all(instance_id)
        for call_id in effects.called_off:
            self._withdraw(instance_id, (effects.execution_id, call_id))
        return here

    def ask(self, instance_id: str, execution_id: str, event: TaskScheduled) -> None:
        """Let any worker run this attempt, when it is due."""
        batch = self.partition.batch
        if not batch.errands:
            batch.when_durable.append(self.bell.ring)
            self.partition.bell.ring()
        partition = self._holdings.number_of(instance_id)
        due = event.at if event.due is None else event.due
        errand = Errand(
            partition,
            self.carrier.number_for(partition),
            instance_id,
            execution_id,
            event.id,
            event.attempt,
            event.name,
            due,
            write_event(event),
        )
        batch.errands[errand.key] = errand
        self._note(errand)
        if event.due is not None:
            self._timers.call_at(due, self.bell.ring)

    def withdraw_all(self, instance_id: str) -> None:
        """Nobody wants to know what becomes of the errands of this instance."""
        for call in list(self._asked.get(instance_id, ())):
            self._withdraw(instance_id, call)

    def _withdraw(self, instance_id: str, call: Call) -> None:
        asked = self._asked.get(instance_id, {}).get(call)
        if asked is not None:
            batch = self.partition.batch
            batch.withdraw(asked[1])
            batch.recalls = True
            self._forget(instance_id, call, asked[0])

    def _forget_answered(self, instance_id: str, effects: Effects) -> None:
        for message in effects.taken:
            event = message.event
            if isinstance(event, (TaskCompleted, TaskFailed)):
                call = message.execution_id or "", event.task_id
                self._forget(instance_id, call, event.attempt)

    def _note(self, errand: Errand) -> None:
        of_instance = self._asked.setdefault(errand.instance_id, {})
        of_instance[errand.execution_id, errand.task_id] = errand.attempt, errand.key

    def _forget(self, instance_id: str, call: Call, attempt: int) -> None:
        of_instance = self._asked.get(instance_id, {})
        if (asked := of_instance.get(call)) and asked[0] == attempt:
            del of_instance[call]
            if not of_instance:
                del self._asked[instance_id]

    # Where actors come and go

    def found(self, errands: Iterable[Errand]) -> None:
        """These have been asked for by actors that run here now."""
        for errand in errands:
            self._note(errand)

    def forget_those(self, gone: Callable[[str], bool]) -> None:
        """These actors do not run here any more."""
        for instance_id in [known for known in self._asked if gone(known)]:
            del self._asked[instance_id]

    def forget(self) -> None:
        """Memory was dropped."""
        self._asked.clear()
