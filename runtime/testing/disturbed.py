"""Where a test takes hold of a runtime: a store that fails, a lane that holds work back."""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, cast

from perdure.persistence.store import Store
from perdure.runtime.lanes import Done, InlineLane

Hook = Callable[[str, int], object]
"""Called with a method's name and how often that method was called up to now."""


def undisturbed(_method: str, _call: int) -> None:
    """Let everything pass."""


class DisturbedStore:
    """Another store with a hook before and after each call; what a hook raises, the call raises.

    Raising in `before` a commit is a commit that did not happen, raising in `after` one that did
    and whose owner does not know.
    """

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.calls: Counter[str] = Counter()
        self.before: Hook = undisturbed
        self.after: Hook = undisturbed

    @property
    def store(self) -> Store:
        """This, as what it stands for."""
        return cast("Store", self)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def disturbed(*args: Any, **options: Any) -> Any:
            self.calls[name] += 1
            call = self.calls[name]
            self.before(name, call)
            value = found(*args, **options)
            self.after(name, call)
            return value

        return disturbed


class HeldLane(InlineLane):
    """A lane that runs its work at once, or while `held` when it is let go."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.held = False
        self._waiting: deque[tuple[Callable[[], Any], Done]] = deque()

    def submit(self, work: Callable[[], Any], done: Done) -> None:
        """Run it here and now, or when it is let go."""
        if self.held:
            self._waiting.append((work, done))
        else:
            super().submit(work, done)

    def __len__(self) -> int:
        return len(self._waiting)

    def let_go(self) -> None:
        """Run what was held back, in order, and hold no more."""
        self.held = False
        while self._waiting:
            super().submit(*self._waiting.popleft())

    def drop(self) -> None:
        """Forget what was held back: the process died before it."""
        self.held = False
        self._waiting.clear()
