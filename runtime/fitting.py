"""Does this code fit this actor? History is replayed, payloads are read, nothing is done."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

from attrs import Factory, field, frozen

from ..actors.app import App
from ..actors.calls import EntityCall
from ..actors.codec import Codec
from ..actors.comparison import described
from ..actors.context import OrchestrationContext
from ..actors.definitions import EntityDefinition
from ..actors.errors import (
    ArityError,
    DefinitionNotFoundError,
    InstanceIdError,
    NonDeterminismError,
    OperationNotFoundError,
    PayloadError,
)
from ..actors.history import EntityOperationCalled, EntityOperationSignaled, TaskScheduled
from ..actors.identity import EntityId
from ..actors.openwork import open_work
from ..actors.orchestration import Orchestration
from ..actors.outcomes import Raised
from ..actors.replay import Execution, Identity
from ..actors.status import Status
from ..actors.tasks import Task
from ..actors.wire import UnreadableEventError
from ..persistence.records import EntityRow, InstanceRow, Stored, Whole
from .engine.restore import Restorer
from .engine.restore import message as message_of
from .settings import Settings

Problem = Literal[
    "non-determinism",
    "missing definition",
    "payload",
    "unreadable",
    "failure",
    "endless",
    "new work",
]


@frozen
class Misfit:
    """Why an orchestration or entity could not go on."""

    actor_id: str
    name: str
    problem: Problem
    """`non-determinism` and `missing definition` would park it, and so would `unreadable`; a
    `payload` fails when it is read; `failure` is an error that the code raises and did not.
    `endless` would hold up the whole runtime."""
    message: str
    version: str | None = None
    recorded: str | None = None
    """What the history has, where the code does something else."""
    actual: str | None = None
    source: str | None = None
    """The line of the user's code, as `file:line`."""
    listing: list[tuple[str, str]] = field(factory=list[tuple[str, str]])
    """All recorded calls against all actual ones."""


@frozen
class NewWork:
    """What an orchestration would do at once, at its next message."""

    actor_id: str
    name: str
    what: list[str] = Factory(list[str])


class Fitting:
    """The code of one app, which is its own copy: its codec listens."""

    def __init__(self, app: App, new_id: Callable[[], str]) -> None:
        self._app = app
        self._codec = app.codec = _ListeningCodec(app.codec)
        self._restorer = Restorer(app, Settings(), new_id)

    def of(self, whole: Whole) -> Iterator[Misfit | NewWork]:
        """What is wrong with it, and what it would do next."""
        if whole.instance is not None:
            yield from self._instance(whole.instance, whole)
        else:
            yield from self._entity(whole)

    # Orchestrations

    def _instance(self, row: InstanceRow, whole: Whole) -> Iterator[Misfit | NewWork]:
        restored = self._restorer.actor(row.id, Stored(row, whole.turns))
        actor = restored.actor
        assert isinstance(actor, Orchestration)  # noqa: S101 - that is what a row gives
        if actor.unreadable is not None:
            yield _misfit(row, "unreadable", actor.unreadable.message)
            return
        if row.status is Status.RUNNING and not whole.turns and not whole.messages:
            yield _misfit(row, "unreadable", "its log is gone: restore a backup, or purge it")
            return
        with self._codec.listening() as problems:
            yield from self._activities(actor, row)
            try:
                yield from self._replayed(actor, row)
            except NonDeterminismError as error:
                yield Misfit(
                    row.id,
                    row.name,
                    "non-determinism",
                    str(error),
                    row.version,
                    error.recorded,
                    error.actual,
                    error.source,
                    list(error.listing),
                )
            except DefinitionNotFoundError as error:
                yield _misfit(row, "missing definition", str(error))
        yield from (_misfit(row, "payload", problem) for problem in problems)
        yield from _unreadable(row, whole)

    def _activities(self, actor: Orchestration, row: InstanceRow) -> Iterator[Misfit]:
        """Those that are begun anew when a runtime starts."""
        for event in open_work(actor.history or []).activities.values():
            yield from self._activity(event, row)

    def _activity(self, event: TaskScheduled, row: InstanceRow) -> Iterator[Misfit]:
        try:
            definition = self._app.activity_of(event.name)
            definition.signature.read(self._codec, event.input, f"input of {event.name}")
        except DefinitionNotFoundError as error:
            yield _misfit(row, "missing definition", str(error))
        except ArityError as error:
            yield _misfit(row, "payload", str(error))
        except PayloadError:
            return

    def _replayed(self, actor: Orchestration, row: InstanceRow) -> Iterator[Misfit | NewWork]:
        if not actor.begun:
            self._begin(actor)
            return
        definition = self._app.recorded_orchestration(actor.name, actor.version)
        identity = Identity(
            actor.id, actor.execution_id, actor.name, actor.version, actor.parent, actor.tags
        )
        execution = _Rehearsed(self._app, definition, identity, OrchestrationContext)
        try:
            execution.replay(actor.history or [])
            execution.read_results()
            yield from self._next(execution, row)
        finally:
            execution.close()

    def _begin(self, actor: Orchestration) -> None:
        definition = self._app.orchestration_of(actor.name, actor.version)
        with suppress(PayloadError, ArityError):
            definition.signature.read(self._codec, actor.input, f"input of {actor.name}")

    def _next(self, execution: Execution, row: InstanceRow) -> Iterator[Misfit | NewWork]:
        outcome = None if execution.suspended else execution.outcome
        if isinstance(outcome, Raised):
            if not self._codec.problems:
                yield _misfit(row, "failure", f"the code fails where it went on: {outcome.failure}")
            return
        new = [described(event) for event in execution.take_asked()]
        if outcome is not None:
            new.append("the end of the orchestration")
        if new:
            yield NewWork(row.id, row.name, new)

    # Entities

    def _entity(self, whole: Whole) -> Iterator[Misfit]:
        row = whole.entity if whole.entity is not None else EntityRow(whole.id, 0)
        if row.damage is not None:
            yield Misfit(whole.id, row.id, "unreadable", row.damage)
            return
        try:
            name = EntityId.parse(whole.id).name
            definition = self._app.entity_of(name)
        except InstanceIdError:
            return
        except DefinitionNotFoundError as error:
            yield Misfit(whole.id, EntityId.parse(whole.id).name, "missing definition", str(error))
            return
        with self._codec.listening() as problems:
            if definition.kind == "class" and row.state is not None:
                with suppress(PayloadError):
                    self._codec.read(row.state, definition.state_type, f"state of {whole.id}")
            yield from self._requests(whole, definition)
        yield from (Misfit(whole.id, name, "payload", problem) for problem in problems)

    def _requests(self, whole: Whole, definition: EntityDefinition) -> Iterator[Misfit]:
        for row in whole.messages:
            try:
                event = message_of(row).event
            except UnreadableEventError as error:
                yield Misfit(whole.id, definition.name, "unreadable", str(error))
                continue
            if isinstance(event, (EntityOperationCalled, EntityOperationSignaled)):
                yield from self._request(whole.id, event, definition)

    def _request(
        self,
        entity_id: str,
        event: EntityOperationCalled | EntityOperationSignaled,
        definition: EntityDefinition,
    ) -> Iterator[Misfit]:
        if definition.kind != "class" or definition.is_implicit(event.operation):
            return
        try:
            operation = definition.operation(event.operation)
            path = f"input of {definition.name}.{operation.name}"
            operation.signature.read(self._codec, event.input, path)
        except OperationNotFoundError as error:
            yield Misfit(entity_id, definition.name, "missing definition", str(error))
        except ArityError as error:
            yield Misfit(entity_id, definition.name, "payload", str(error))
        except PayloadError:
            return


class _Rehearsed(Execution):
    """Keeps the tasks of all calls, so that results are read which the code has not read yet."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._tasks: list[Task[Any]] = []

    def open_work(self, event: Any, policy: Any, read: Any) -> Task[Any]:
        task = super().open_work(event, policy, read)
        self._tasks.append(task)
        return task

    def open_entity_call(self, call: EntityCall) -> None:
        super().open_entity_call(call)
        self._tasks.append(call.task)

    def read_results(self) -> None:
        """Read every recorded result; the codec hears what cannot be read."""
        for task in self._tasks:
            if task.done and task.exception is None:
                with suppress(Exception):
                    _ = task.result


class _ListeningCodec(Codec):
    """Remembers what could not be read."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec.converter, codec.payload_bytes_max)
        self.problems: dict[str, None] = {}

    @contextmanager
    def listening(self) -> Generator[dict[str, None]]:
        """Give what could not be read in the block, as texts."""
        self.problems = {}
        yield self.problems

    def read(self, payload: Any, type_: Any, path: str) -> Any:
        with self._hearing():
            return super().read(payload, type_, path)

    def structure(self, value: Any, type_: Any, path: str) -> Any:
        with self._hearing():
            return super().structure(value, type_, path)

    @contextmanager
    def _hearing(self) -> Generator[None]:
        try:
            yield
        except PayloadError as error:
            self.problems[str(error)] = None
            raise


def _misfit(row: InstanceRow, problem: Problem, message: str) -> Misfit:
    return Misfit(row.id, row.name, problem, message, row.version)


def _unreadable(row: InstanceRow, whole: Whole) -> Iterator[Misfit]:
    for message in whole.messages:
        try:
            message_of(message)
        except UnreadableEventError as error:
            yield _misfit(row, "unreadable", f"message {message.position}: {error}")
    for timer in whole.timers:
        if timer.damage is not None:
            yield _misfit(row, "unreadable", timer.damage)
