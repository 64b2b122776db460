"""Task groups: fibers that end together."""

from collections.abc import Callable
from typing import Any

from .errors import Cancelled
from .kernel import CancelScope, Coro, Fiber, Pause, Uninterruptible


class FiberGroup:
    """Fibers that end together: none outlives it, and one that fails cancels the others."""

    def __init__(self, scope: CancelScope) -> None:
        self.scope = scope
        self.errors: list[BaseException] = []
        self._alive = 0
        self._active = False
        self._cancelled: Cancelled | None = None
        self._empty = Uninterruptible(scope.kernel)

    @property
    def open(self) -> bool:
        """Whether what is begun in it now will ever run."""
        return self._active and not self.scope.kernel.closed

    def enter(self) -> None:
        """Begin; the calling fiber becomes the group's host."""
        if self._active:
            raise RuntimeError("a task group can be entered only once")
        self.scope.__enter__()
        self._active = True

    def spawn(
        self,
        coro: Coro,
        name: str,
        ended: Callable[[Fiber, Any, BaseException | None], bool] | None = None,
    ) -> Fiber:
        """Begin a fiber in the group; `ended` may say True to keep its error from the group."""
        if not self._active:
            coro.close()
            raise RuntimeError("this task group is not active; no new tasks can be started")
        self._alive += 1

        def child_ended(fiber: Fiber, value: Any, error: BaseException | None) -> None:
            kept = ended is not None and ended(fiber, value, error)
            self._child_ended(None if kept else error)

        return self.scope.kernel.spawn(coro, name, child_ended, self.scope)

    def _child_ended(self, error: BaseException | None) -> None:
        self._alive -= 1
        if isinstance(error, Cancelled):
            self._cancelled = error
        elif error is not None:
            self.errors.append(error)
            self.scope.cancel()
        if not self._alive:
            self._empty.wake()

    async def leave(self, error: BaseException | None) -> bool:
        """Wait for all fibers; returns whether `error` is dealt with. Raises the group's errors."""
        if self.scope.kernel.closed:
            return False
        if error is not None:
            self.scope.cancel()
            if not isinstance(error, Cancelled):
                self.errors.insert(0, error)
        while self._alive:
            await Pause(self._empty)
        self._active = False
        outcome = self._outcome(error)
        swallowed = (
            self.scope.__exit__(type(outcome), outcome, None)
            if outcome
            else (self.scope.__exit__(None, None, None))
        )
        if outcome is None or swallowed:
            return True
        if outcome is error:
            return False
        raise outcome

    def _outcome(self, error: BaseException | None) -> BaseException | None:
        if self.errors:
            return BaseExceptionGroup("unhandled errors in a task group", self.errors)
        return error if error is not None else self._cancelled
