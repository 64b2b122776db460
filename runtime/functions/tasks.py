"""Tasks as the 1.x model has them.

1.  A task is inert until it is yielded, alone or inside a composite: only then its work begins.
2.  `result` is None while the work goes on, then the value, or the exception of a failure.
3.  `task_all` fails with the first failure, without waiting for the others; `task_any` gives the
    task that was done first, failed or not, and never fails itself.
4.  A task may be in any number of composites, and be yielded any number of times.
"""

import importlib
from collections.abc import Callable, Generator, Iterable
from typing import Any, Literal

from perdure.actors.errors import TaskCancelledError
from perdure.actors.history import Payload
from perdure.actors.kernel import Kernel, Waitable
from perdure.actors.tasks import Task

Read = Callable[[Any], Any]
Explain = Callable[[BaseException], BaseException]


class DurableTask(Waitable):
    """What the context's calls return, to be yielded."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.id: int | str | None = None
        self.result: Any = None
        self._standing: Literal["RUNNING", "SUCCEEDED", "FAILED"] = "RUNNING"
        self._followers: list[Callable[[DurableTask], None]] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self._standing.lower()}>"

    @property
    def is_completed(self) -> bool:
        """Whether the outcome is known."""
        return self._standing != "RUNNING"

    @property
    def is_faulted(self) -> bool:
        """Whether it failed."""
        return self._standing == "FAILED"

    @property
    def state(self) -> Any:
        """The outcome as the app's own package names it, a `TaskState`."""
        # The package is the app's: this one works without it.
        package = importlib.import_module("azure.durable_functions.models.Task")
        return package.TaskState[self._standing]

    def schedule(self) -> None:
        """Begin the work, unless it has begun."""

    def follow(self, follower: "Callable[[DurableTask], None]") -> None:
        """Call `follower` once the outcome is known, at once if it is."""
        if self.is_completed:
            follower(self)
        else:
            self._followers.append(follower)

    def succeed(self, value: Any) -> None:
        """Give it its value, unless it has an outcome."""
        self._settle("SUCCEEDED", value)

    def fail(self, error: BaseException) -> None:
        """Give it its failure, unless it has an outcome."""
        self._settle("FAILED", error)

    def _settle(self, standing: Literal["SUCCEEDED", "FAILED"], result: Any) -> None:
        if self.is_completed:
            return
        self._standing, self.result = standing, result
        followers, self._followers = self._followers, []
        self.kernel.tell(followers, self)

    def __await__(self) -> Generator[Any, None, Any]:
        self.schedule()
        if not self.is_completed:
            yield self
        if self.is_faulted:
            raise self.result.with_traceback(None)
        return self.result


class CallTask(DurableTask):
    """A call that the engine is asked for when the task is yielded."""

    def __init__(
        self, kernel: Kernel, ask: Callable[[], Task[Any]], read: Read, explain: Explain
    ) -> None:
        super().__init__(kernel)
        self._ask = ask
        self._read = read
        self._explain = explain
        self._asked: Task[Any] | None = None

    def schedule(self) -> None:
        if self._asked is None:
            self._asked = self._ask()
            self._asked.follow(self._heard)

    def _heard(self, asked: Task[Any]) -> None:
        if asked.cancelled:
            return
        try:
            value = self._read(asked.result)
        except Exception as error:  # noqa: BLE001 - a failure, or a class's from_json that raised
            self.fail(self._explain(error))
        else:
            self.succeed(value)


class TimerTask(CallTask):
    """A timer, which can be cancelled."""

    is_cancelled = False

    def cancel(self) -> None:
        """Let it not fire: it is never completed then. Raises `ValueError` once it is."""
        if self.is_completed:
            raise ValueError("Cannot cancel a completed task.")
        self.is_cancelled = True
        if self._asked is not None:
            self._asked.cancel()

    def schedule(self) -> None:
        if not self.is_cancelled:
            super().schedule()

    def __await__(self) -> Generator[Any, None, Any]:
        if self.is_cancelled:
            raise TaskCancelledError("this timer was cancelled; waiting for it would never end")
        return (yield from super().__await__())


class EventTask(DurableTask):
    """The wait for an external event."""

    def __init__(
        self, kernel: Kernel, name: str, listen: "Callable[[EventTask], None]", read: Read
    ) -> None:
        super().__init__(kernel)
        self.id = name
        self._listen: Callable[[EventTask], None] | None = listen
        self._read = read

    def schedule(self) -> None:
        listen, self._listen = self._listen, None
        if listen is not None:
            listen(self)

    def hear(self, payload: Payload) -> None:
        """Take the event with this payload."""
        try:
            value = self._read(payload)
        except Exception as error:  # noqa: BLE001 - a class's from_json may raise anything
            self.fail(error)
        else:
            self.succeed(value)


class CompositeTask(DurableTask):
    """A task of tasks."""

    def __init__(self, kernel: Kernel, tasks: Iterable[DurableTask], caller: str) -> None:
        super().__init__(kernel)
        self.id = -1
        self.children = list(tasks)
        for child in self.children:
            if not isinstance(child, DurableTask):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(
                    f"{caller} takes a list of tasks, which the context's calls return, "
                    f"not {type(child).__qualname__}"
                )

    def schedule(self) -> None:
        left = [iter(self.children)]
        while left:
            child = next(left[-1], None)
            if child is None:
                left.pop()
            elif isinstance(child, CompositeTask):
                left.append(iter(child.children))
            else:
                child.schedule()


class AllTask(CompositeTask):
    """Done when all of its tasks are, or one has failed."""

    def __init__(self, kernel: Kernel, tasks: Iterable[DurableTask]) -> None:
        super().__init__(kernel, tasks, "task_all")
        distinct = dict.fromkeys(self.children)
        self._missing = len(distinct)
        for child in distinct:
            child.follow(self._heard)
        if not distinct:
            self.succeed([])

    def _heard(self, child: DurableTask) -> None:
        self._missing -= 1
        if child.is_faulted:
            self.fail(child.result)
        elif not self._missing:
            self.succeed([child.result for child in self.children])


class AnyTask(CompositeTask):
    """Done when one of its tasks is, which is its value; None of no tasks."""

    def __init__(self, kernel: Kernel, tasks: Iterable[DurableTask]) -> None:
        super().__init__(kernel, tasks, "task_any")
        for child in dict.fromkeys(self.children):
            child.follow(self.succeed)
        if not self.children:
            self.succeed(None)
