"""The answer that somebody on the event loop waits for."""

from typing import Any, Generic, TypeVar

from ...actors.errors import PerdureError
from ..wake import Wake, new_wake

T = TypeVar("T")


class Reply(Generic[T]):
    """Set once, awaited by one."""

    __slots__ = ("_error", "_value", "_wake")

    def __init__(self) -> None:
        self._wake: Wake | None = None
        self._value: Any = None
        self._error: BaseException | None = None

    @property
    def settled(self) -> bool:
        """Whether there is an answer."""
        return self._error is not None or self._value is not None

    def set(self, value: T) -> None:
        """Answer; later answers are ignored. None is no answer: use True."""
        if self._value is None and self._error is None:
            self._value = value
            if self._wake is not None:
                self._wake.set()

    def fail(self, error: BaseException) -> None:
        """Answer with an error, which may be that of others too."""
        if not self.settled:
            self._error = own_copy(error)
            if self._wake is not None:
                self._wake.set()

    async def wait(self) -> T:
        """Wait for the answer; raises its error."""
        if self._value is None and self._error is None:
            self._wake = new_wake()
            await self._wake.wait()
        if self._error is not None:
            raise self._error
        value: Any = self._value
        answer: T = value
        return answer


def own_copy(error: BaseException) -> BaseException:
    """The same error for one more who is told of it.

    Whoever raises an error adds to its traceback: one that hundreds raise has thousands of lines.
    """
    if not isinstance(error, PerdureError):
        return error
    kind = type(error)
    copy = kind.__new__(kind, *error.args)
    copy.__dict__.update(error.__dict__)
    copy.__cause__, copy.__context__ = error.__cause__, error.__context__
    copy.__suppress_context__ = error.__suppress_context__
    return copy.with_traceback(error.__traceback__)
