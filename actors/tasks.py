"""Handles on work that goes on outside the orchestrator's code."""

from collections.abc import Callable, Generator, Iterable
from typing import Any, Generic, TypeVar, cast

from .errors import TaskCancelledError
from .kernel import CancelScope, Kernel, Waitable, foreign

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

PENDING, DONE, FAILED, CANCELLED = "pending", "done", "failed", "cancelled"


class Task(Waitable, Generic[T_co]):
    """The future outcome of a call; await it any number of times, from any fiber.

    The work was scheduled when the call was made, whether or not the task is awaited.
    """

    __slots__ = (
        "_call_off",
        "_error",
        "_followers",
        "_read",
        "_value",
        "name",
        "order",
        "scope",
        "state",
    )

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        *,
        call_off: Callable[[], object] | None = None,
        read: Callable[[Any], T_co] | None = None,
    ) -> None:
        # As `Waitable` does it: a task is made for every call, and `super()` takes its time.
        self.kernel = kernel
        self.waiters = []
        self.name = name
        self.state = PENDING
        self.order = 0
        """The place among the settled tasks of the execution, from 1; 0 while pending."""
        self._value: Any = None
        self._error: BaseException | None = None
        self._read = read
        self._call_off = call_off
        self._followers: list[Callable[[Task[Any]], None]] | None = None
        self.scope: CancelScope | None = None
        scope = (kernel.current or kernel.running()).scope
        if scope is not kernel.root:
            self.scope = scope
            scope.work[self] = None

    @property
    def done(self) -> bool:
        """Whether the outcome is known, be it a value, a failure or a cancellation."""
        return self.state is not PENDING

    @property
    def cancelled(self) -> bool:
        """Whether it was called off before its outcome was known."""
        return self.state is CANCELLED

    @property
    def result(self) -> T_co:
        """The value; raises what the work raised, or `RuntimeError` while it goes on."""
        if self.state is PENDING:
            raise RuntimeError(f"{self.name} is not done yet; await it first")
        if self._error is not None:
            raise self._error.with_traceback(None)
        if self._read is not None:
            self._value = self._read(self._value)
            self._read = None
        value: T_co = self._value
        return value

    @property
    def exception(self) -> BaseException | None:
        """What awaiting it raises, or None; raises `RuntimeError` while the work goes on."""
        if self.state is PENDING:
            raise RuntimeError(f"{self.name} is not done yet; await it first")
        return self._error

    def cancel(self) -> bool:
        """Give the outcome up; returns False when it was known already.

        A running async activity is cancelled, a timer removed, an event wait leaves events to
        others. Awaiting the task then raises `TaskCancelledError`.
        """
        if self.state is not PENDING:
            return False
        if self._call_off is not None:
            self._call_off()
        self._error = TaskCancelledError(f"{self.name} was cancelled")
        self._settle(CANCELLED)
        return True

    def on_cancel(self, call_off: Callable[[], object]) -> None:
        """Set what `cancel` does besides."""
        if self.state is PENDING:
            self._call_off = call_off

    def call_off(self) -> None:
        """The scope that it belongs to was cancelled."""
        self.cancel()

    def interrupted(self) -> None:
        """A fiber that wanted to wait for it was cancelled."""
        if self.scope is not None and self.scope.effectively_cancelled:
            self.cancel()

    def resolve(self, value: Any) -> None:
        """Give it its value, which is read when somebody asks for it."""
        if self.state is PENDING:
            self._value = value
            self._settle(DONE)

    def fail(self, error: BaseException) -> None:
        """Give it its failure."""
        if self.state is PENDING:
            self._error = error
            self._settle(FAILED)

    def follow(self, follower: "Callable[[Task[Any]], None]") -> None:
        """Call `follower` once the outcome is known, at once if it is."""
        if self.state is not PENDING:
            follower(self)
        elif self._followers is None:
            self._followers = [follower]
        else:
            self._followers.append(follower)

    @property
    def unread(self) -> "list[Task[Any]]":
        """The members of a `task_all` whose values nobody has asked for, else none."""
        return self._value if self._read is _results and self.state is DONE else []

    def _settle(self, state: str) -> None:
        self.state = state
        self.kernel.settled += 1
        self.order = self.kernel.settled
        self._call_off = None
        if self.scope is not None:
            self.scope.work.pop(self, None)
            self.scope = None
        followers, self._followers = self._followers, None
        if followers:
            self.kernel.tell(followers, self)
        else:
            self.wake()

    def __await__(self) -> Generator[Any, None, T_co]:
        if self.kernel.current is None:
            raise foreign(self)
        if self.state is PENDING:
            yield self
        return self.result

    def __repr__(self) -> str:
        return f"<Task {self.name} {self.state}>"


def checked_tasks(tasks: Iterable[Task[T]], caller: str) -> list[Task[T]]:
    """The tasks as a list; raises `TypeError` for anything that is none."""
    members = list(tasks)
    given: list[Any] = [*members]
    for member in given:
        if not isinstance(member, Task):
            raise TypeError(
                f"{caller} takes tasks, which the context's calls return, "
                f"not {type(member).__qualname__}"
            )
    return members


def task_all(kernel: Kernel, tasks: Iterable[Task[T]]) -> Task[list[T]]:
    """Done when all are; the values in the order of the arguments.

    When some failed, it waits for the others all the same and then raises the failure that came
    first. The empty list is done at once.
    """
    members = checked_tasks(tasks, "task_all")
    whole: Task[list[T]] = Task(kernel, f"task_all of {len(members)}", read=_results)
    missing = len(set(members))

    def one_done(_: Task[Any]) -> None:
        nonlocal missing
        missing -= 1
        if missing <= 0:
            _settle_all(whole, members)

    for member in dict.fromkeys(members):
        member.follow(one_done)
    if not members:
        whole.resolve([])
    return whole


def _results(members: "list[Task[T]]") -> list[T]:
    _read_inside(members)
    return [member.result for member in members]


def _read_inside(members: "list[Task[Any]]") -> None:
    """Read the composites in them, the innermost first, so that no depth is too deep."""
    unread = [member for member in reversed(members) if member.unread]
    while unread:
        innermost = unread[-1]
        inside = [member for member in reversed(innermost.unread) if member.unread]
        if inside:
            unread += inside
        else:
            unread.pop()
            _ = innermost.result


def _settle_all(whole: Task[list[T]], members: list[Task[T]]) -> None:
    failed = [member for member in members if member.exception is not None]
    if failed:
        first = min(failed, key=lambda member: member.order)
        whole.fail(cast("BaseException", first.exception))
    else:
        whole.resolve(members)


def task_any(kernel: Kernel, tasks: Iterable[Task[T]]) -> Task[Task[T]]:
    """Done when one is; its value is the task that was done first, failed or not.

    The others go on; cancel those that nobody needs. Raises `ValueError` for the empty list.
    """
    members = checked_tasks(tasks, "task_any")
    if not members:
        raise ValueError("task_any of no tasks would wait for ever")
    race: Task[Task[T]] = Task(kernel, f"task_any of {len(members)}")
    done = [member for member in members if member.done]
    if done:
        race.resolve(min(done, key=lambda member: member.order))
        return race
    for member in dict.fromkeys(members):
        member.follow(race.resolve)
    return race
