"""Activities: long-lived workers take them from a queue, run them, and report what became of them.

At least once: an activity starts after the commit that asked for it, and is started again when the
process dies before its outcome is durable. Its limits are those of the settings and of its
definition: a job first gets all its places (of its definition, of the threads, processes or HTTP
calls), and then a worker. Each attempt has its own cancel scope and its own copy of the context
variables.
"""

import contextvars
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Mapping
from functools import partial
from types import coroutine
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread
from attrs import define

from ..actors.activity_context import never
from ..actors.app import App
from ..actors.context import ActivityContext
from ..actors.definitions import ActivityDefinition
from ..actors.durable_http import HTTP_ACTIVITY
from ..actors.errors import DefinitionNotFoundError
from ..actors.failure import FailureDetails, details_of
from ..actors.history import TaskCompleted, TaskFailed, TaskScheduled
from ..actors.messages import Message
from .clock import Bell, Clock
from .elsewhere import FailedElsewhereError, ThreadBody
from .engine.timers import Timer, Timers
from .instruments import Attempt, Instruments
from .lanes import loop_door
from .outcome import passes_through
from .places import Places
from .settings import Settings

logger = logging.getLogger("perdure.activity")

Key = tuple[str, int]
Told = Callable[[Message], object]


@define(eq=False)
class Job:
    """One attempt."""

    instance_id: str
    key: Key
    """Which call of its instance it is for: execution and task."""
    event: TaskScheduled
    definition: ActivityDefinition | None = None
    scope: anyio.CancelScope | None = None
    unwanted: bool = False
    timed_out: bool = False
    timer: Timer | None = None
    """For when it is due; once it runs, for when it has taken too long."""
    needs: "tuple[Places[Job], ...]" = ()
    """Where it has to get a place before it may run, in this order."""
    holds: "tuple[Places[Job], ...]" = ()
    attempt: Attempt | None = None
    """What telemetry knows of it, while it runs and if there is any."""
    left_behind: bool = False
    """Whether its thread goes on although nobody waits for it: that one gives its places back."""
    told: Told | None = None
    """Who is told its outcome if it is an errand, which stays here whoever runs its instance."""

    @property
    def execution_id(self) -> str:
        """The execution that asked for it."""
        return self.key[0]

    def give_up(self) -> None:
        """Nobody wants its outcome any more."""
        self.unwanted = True
        if self.scope is not None:
            self.scope.cancel()


class Activities:
    """The jobs of one runtime."""

    def __init__(
        self,
        app: App,
        settings: Settings,
        clock: Clock,
        timers: Timers,
        report: Callable[[Message], None],
    ) -> None:
        self._app = app
        self._settings = settings
        self._clock = clock
        self._timers = timers
        self._report = report
        self._jobs: dict[str, dict[Key, Job]] = {}
        self._queue: deque[Job] = deque()
        self._idle: list[Bell] = []
        self._taking = False
        """Whether a worker is on its way to the queue, or takes from it without waiting."""
        self._workers = 0
        self._places: dict[str, Places[Job]] = {}
        self._draining = False
        self._group: anyio.abc.TaskGroup | None = None
        self._drained = Bell()
        self._performed: set[Job] = set()
        self.instruments: Instruments | None = None
        self.leaving: Callable[[str], bool] | None = None
        """Whether an instance is about to be run elsewhere, where its activities begin then."""
        self.freed: Callable[[], object] | None = None
        """Called when an attempt has ended, so that there may be room for another one."""

    @property
    def waiting(self) -> int:
        """How many attempts are due and wait for a worker or a place."""
        lines = (*self._places.values(), self._threads, self._processes, self._http_calls)
        return len(self._queue) + sum(places.waiting for places in lines)

    @property
    def executing(self) -> int:
        """How many attempts are being run now."""
        return len(self._performed)

    @property
    def draining(self) -> bool:
        """Whether nothing more is started."""
        return self._draining

    def running(self) -> list[str]:
        """What is being run now, each as the name of the activity and its instance."""
        return sorted(f"{job.event.name} of {job.instance_id}" for job in self._performed)

    def open(self, group: anyio.abc.TaskGroup) -> None:
        """Run workers in this task group from now on."""
        self._group = group
        self._post = loop_door()
        self._context = contextvars.copy_context()
        self._threads: Places[Job] = Places(self._settings.activity_threads_max)
        self._processes: Places[Job] = Places(self._settings.activity_processes_max)
        self._http_calls: Places[Job] = Places(self._settings.http_calls_max)
        # The places limit already, and know of threads that were left behind.
        self._unlimited = anyio.CapacityLimiter(math.inf)

    def close(self) -> None:
        """Start nothing more."""
        self._draining = True

    def start(
        self,
        instance_id: str,
        execution_id: str,
        event: TaskScheduled,
        *,
        recovered: bool = False,
        told: Told | None = None,
    ) -> None:
        """Run this attempt when it is due, unless it is running already.

        One without a definition fails; if it was `recovered` it waits for a deployment instead.
        Of an errand somebody else is `told` what became of it.
        """
        if told is None and self.leaving is not None and self.leaving(instance_id):
            return
        job = Job(instance_id, (execution_id, event.id), event, told=told)
        of_instance = self._jobs.get(instance_id)
        if of_instance is None:
            of_instance = self._jobs[instance_id] = {}
        elif (known := of_instance.get(job.key)) and known.event.attempt == event.attempt:
            return
        try:
            job.definition = self._app.activity_of(event.name)
        except DefinitionNotFoundError as error:
            self._missing(job, error, recovered=recovered)
            return
        of_instance[job.key] = job
        if event.due is not None and event.due > self._clock.now():
            job.timer = self._timers.call_at(event.due, partial(self._enqueue, job), lasting=True)
        else:
            self._enqueue(job)

    def _missing(self, job: Job, error: DefinitionNotFoundError, *, recovered: bool) -> None:
        self._forget(job)
        if recovered:
            logger.warning("%s waits for a deployment: %s", job.instance_id, error)
        else:
            self._send(job, self._failed(job, details_of(error)))

    def cancel(
        self, instance_id: str, execution_id: str, task_id: int, attempt: int | None = None
    ) -> None:
        """Give up one activity, if it runs or waits, and if this is its attempt."""
        job = self._jobs.get(instance_id, {}).get((execution_id, task_id))
        if job is not None and attempt in (None, job.event.attempt):
            self._forget(job)
            job.give_up()
            self._withdraw_timer(job)

    def cancel_those(self, gone: Callable[[str], bool]) -> None:
        """Give up all activities of these instances that are no errands."""
        for instance_id in [known for known in self._jobs if gone(known)]:
            for (execution_id, task_id), job in list(self._jobs[instance_id].items()):
                if job.told is None:
                    self.cancel(instance_id, execution_id, task_id)

    def executing_for(self, wanted: Callable[[str], bool]) -> int:
        """How many attempts that are no errands are being run now for these instances."""
        return sum(job.told is None and wanted(job.instance_id) for job in self._performed)

    def cancel_all(self, instance_id: str) -> None:
        """Give up all activities of an instance."""
        for execution_id, task_id in list(self._jobs.get(instance_id, {})):
            self.cancel(instance_id, execution_id, task_id)

    async def drain(self) -> None:
        """Start nothing more, and wait for what runs."""
        self._draining = True
        while self.executing:
            await self._drained.wait()

    def _forget(self, job: Job) -> None:
        of_instance = self._jobs.get(job.instance_id)
        if of_instance is not None and of_instance.get(job.key, job) is job:
            of_instance.pop(job.key, None)
            if not of_instance:
                del self._jobs[job.instance_id]

    # The queue

    def _enqueue(self, job: Job) -> None:
        if job.unwanted or self._draining:
            return
        assert job.definition is not None  # noqa: S101 - jobs without one never get here
        job.needs = self._needed_by(job.definition)
        self._seat(job)

    def _needed_by(self, definition: ActivityDefinition) -> tuple[Places[Job], ...]:
        needed: tuple[Places[Job], ...] = ()
        if definition.max_concurrency is not None:
            own = self._places.get(definition.name)
            if own is None:
                own = self._places[definition.name] = Places(definition.max_concurrency)
            needed = (own,)
        if definition.executor != "loop":
            needed = (*needed, self._shared_by(definition))
        return needed

    def _shared_by(self, definition: ActivityDefinition) -> Places[Job]:
        """The places of all that run outside the loop as this one does."""
        if definition.name == HTTP_ACTIVITY:
            return self._http_calls
        return self._threads if definition.executor == "thread" else self._processes

    def fitting(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """Of so many of each activity, how many would begin at once; the first come first."""
        if self._draining:
            return {}
        left = self._settings.activities_max - self.executing - len(self._queue)
        free: dict[Places[Job], int] = {}
        found: dict[str, int] = {}
        for name, count in wanted.items():
            needed = self._needed_by(self._app.activity_of(name))
            most = min(count, left, *(free.setdefault(places, places.free) for places in needed))
            if most > 0:
                found[name] = most
                left -= most
                free.update((places, free[places] - most) for places in needed)
        return found

    def _seat(self, job: Job) -> None:
        """Get it all its places, and then in front of a worker."""
        while job.needs:
            place, *others = job.needs
            if not place.take(job):
                return
            job.holds, job.needs = (*job.holds, place), tuple(others)
        self._queue.append(job)
        if not self._taking:
            self._call_worker()

    def _release(self, job: Job) -> None:
        """Give its places to those who wait for them."""
        held, job.holds = job.holds, ()
        for places in held:
            places.leave()
            while (following := places.next_in_line()) is not None:
                if following.unwanted or self._draining:
                    self._release(following)
                else:
                    self._seat(following)

    def _call_worker(self) -> None:
        """Wake one: it takes from the queue until it has to wait, and then calls the next."""
        if self._group is None:
            return
        if self._idle:
            self._taking = True
            self._idle.pop().ring()
        elif self._workers < self._settings.activities_max:
            self._taking = True
            self._workers += 1
            # Whoever calls, maybe a thread that ended, lends its context variables to no worker.
            self._context.run(self._group.start_soon, self._work)

    def _wait_elsewhere(self) -> None:
        """The worker that takes has to wait, so that another one has to go on."""
        self._taking = False
        if self._queue:
            self._call_worker()

    async def _work(self) -> None:
        bell = Bell()
        while True:
            # Entering a scope costs as much as a short activity: one serves until it is cancelled.
            with anyio.CancelScope() as scope:
                while not scope.cancel_called:
                    await self._take(bell, scope)

    async def _take(self, bell: Bell, scope: anyio.CancelScope) -> None:
        for _ in range(self._settings.turns_between_breaths):
            self._taking = True
            if not self._queue:
                self._taking = False
                self._idle.append(bell)
                await bell.wait()
                return
            job = self._queue.popleft()
            try:
                if not (job.unwanted or self._draining):
                    await self._perform(job, scope)
            finally:
                if job.holds and not job.left_behind:
                    self._release(job)
                if self.freed is not None:
                    self.freed()
            if job.unwanted or job.timed_out:
                return  # Whoever said so may have cancelled the scope.
        await anyio.lowlevel.checkpoint()

    # One attempt

    async def _perform(self, job: Job, scope: anyio.CancelScope) -> None:
        self._performed.add(job)
        job.scope = scope
        if self.instruments is not None:
            job.attempt = self.instruments.attempt(job.instance_id, job.execution_id, job.event)
        outcome: TaskCompleted | TaskFailed | None = None
        try:
            if job.event.timeout is not None:
                self._limit_time(job, job.event.timeout)
            outcome = await self._outcome(job)
            self._forget(job)
            if not job.unwanted:
                self._send(job, outcome)
        except anyio.get_cancelled_exc_class():
            outcome = self._cut_short(job)
            raise
        finally:
            if job.attempt is not None:
                job.attempt.ended(outcome)
            job.scope = None
            if job.timer is not None:
                self._withdraw_timer(job)
            self._performed.discard(job)
            if not self._performed:
                self._drained.ring()

    def _cut_short(self, job: Job) -> TaskFailed | None:
        """Report it when it took too long; otherwise nobody wants to know."""
        self._forget(job)
        if not job.timed_out or job.unwanted:
            return None
        text = f"activity {job.event.name!r} took longer than {job.event.timeout:g} s"
        outcome = self._failed(job, FailureDetails("TimeoutError", text))
        self._send(job, outcome)
        return outcome

    def _limit_time(self, job: Job, seconds: float) -> None:
        def too_late() -> None:
            if job.scope is not None:
                job.timed_out = True
                job.scope.cancel()

        due = self._clock.now() + round(seconds * 1_000_000)
        job.timer = self._timers.call_at(due, too_late, lasting=True)

    def _withdraw_timer(self, job: Job) -> None:
        if job.timer is not None:
            self._timers.cancel(job.timer)
            job.timer = None

    async def _outcome(self, job: Job) -> TaskCompleted | TaskFailed:
        event, definition = job.event, job.definition
        assert definition is not None  # noqa: S101 - jobs without one never get here
        try:
            function, arguments = self._called(job, definition)
            if definition.executor == "loop":
                context = contextvars.copy_context()
                called = context.run(function, *arguments)
                value = await _in_context(called, context, self._wait_elsewhere)
            else:
                value = await self._run_elsewhere(job, definition, function, arguments)
            result = self._app.codec.write(value, f"result of {definition.name}")
        except BaseException as error:
            if passes_through(error):
                raise
            if isinstance(error, FailedElsewhereError):
                return self._failed(job, error.details)
            return self._failed(job, details_of(error))
        return TaskCompleted(self._clock.now(), event.id, result, event.attempt)

    def _failed(self, job: Job, failure: FailureDetails) -> TaskFailed:
        return TaskFailed(self._clock.now(), job.event.id, failure, job.event.attempt)

    def _send(self, job: Job, event: TaskCompleted | TaskFailed) -> None:
        told = self._report if job.told is None else job.told
        told(Message(job.instance_id, event, job.execution_id))

    def _called(
        self, job: Job, definition: ActivityDefinition
    ) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The function of an attempt and what it is given."""
        path = f"input of {definition.name}"
        arguments = definition.signature.read(self._app.codec, job.event.input, path)
        if definition.takes_context:
            context_of_call = _context(job, in_process=definition.executor == "process")
            position = definition.context_position
            arguments = definition.signature.with_context(arguments, position, context_of_call)
        function = definition.function
        if job.attempt is not None:
            function = job.attempt.around(function, definition.executor)
        return function, arguments

    async def _run_elsewhere(
        self,
        job: Job,
        definition: ActivityDefinition,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> Any:
        self._wait_elsewhere()
        if definition.executor == "process":
            from .processes import run_in_process  # noqa: PLC0415 - few need what it loads

            return await run_in_process(definition.name, function, arguments, self._unlimited)
        body = ThreadBody(function, arguments)
        try:
            return await anyio.to_thread.run_sync(
                body, abandon_on_cancel=True, limiter=self._unlimited
            )
        except anyio.get_cancelled_exc_class():
            job.left_behind = body.abandon(self._post, partial(self._release, job))
            raise


def _context(job: Job, *, in_process: bool) -> ActivityContext:
    event = job.event
    return ActivityContext(
        job.instance_id,
        event.name,
        event.id,
        event.attempt,
        f"{job.instance_id}/{job.execution_id}/{event.id}",
        dict(event.tags),
        event.trace if job.attempt is None else job.attempt.trace,
        never if in_process else lambda: job.unwanted or job.timed_out,
    )


@coroutine
def _in_context(
    called: Coroutine[Any, Any, Any], context: contextvars.Context, waits: Callable[[], object]
) -> Generator[Any, Any, Any]:
    """Await a coroutine with context variables of its own, inside a task that lives on.

    `waits` is called before the task is given back to the event loop.
    """
    step: Callable[[Any], Any] = called.send
    given: Any = None
    while True:
        try:
            wanted = context.run(step, given)
        except StopIteration as stop:
            return stop.value
        waits()
        try:
            given = yield wanted
            step = called.send
        except BaseException as error:  # noqa: BLE001 - cancellation has to reach the coroutine
            given = error
            step = called.throw
