"""A row of the API's table: method, path, what may be sent with it, and who answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

from attrs import Factory, frozen
from starlette.responses import Response

from .call import Call
from .keys import Access
from .parameters import AnyParameter
from .shapes import INPUT, Shape

ANY_METHOD = "*"

Handler = Callable[[Call], Awaitable[Response]]


@frozen
class Endpoint:
    """One method on one path. The docstring of `answer` says what it does."""

    method: str
    """In capitals, or `ANY_METHOD`."""
    path: str
    """Below the base; names in braces stand for one segment each."""
    answer: Handler
    answers: tuple[int, ...]
    """The status codes that it gives, besides 401, 403, 413, 500 and 503."""
    query: tuple[AnyParameter, ...] = ()
    """What it understands, besides `COMMON`."""
    body: Literal["none", "json", "optional json", "json or text"] = "none"
    access: Access = Access.FULL
    headers: tuple[AnyParameter, ...] = ()
    """Which headers it understands, besides that of the key."""
    takes: Shape = INPUT
    """What a JSON body holds."""
    shows: Mapping[int, Shape] = Factory(dict[int, Shape])
    """What its answers hold, by status code; codes that are not here refuse the call."""

    def match(self, method: str, segments: Sequence[str]) -> dict[str, str] | None:
        """The values of the names in the path, or None when this is another's."""
        own_segments = self.path.split("/")[1:]
        if self.method not in (method, ANY_METHOD) or len(segments) != len(own_segments):
            return None
        values: dict[str, str] = {}
        for own, given in zip(own_segments, segments, strict=True):
            if own.startswith("{"):
                values[own[1:-1]] = given
            elif own.lower() != given.lower():
                return None
        return values
