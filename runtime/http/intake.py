"""What a request's body leaves to be read when its answer is there already.

A server cannot keep a connection on which unread bytes lie: it hangs up after the answer, and the
caller's next request on it dies. So the rest is read first; where it is too much, or too slow, the
answer says that the connection ends.
"""

import anyio
from attrs import define, field
from starlette.types import Message, Receive

PATIENCE_SECONDS = 5.0
"""How long the rest of a body that nobody wants is waited for."""


@define
class Intake:
    """A `receive` that knows how far the body was read."""

    receive: Receive
    bytes_max: int
    _bytes: int = field(default=0, init=False)
    _end: Message | None = field(default=None, init=False)
    _complete: bool = field(default=False, init=False)

    async def __call__(self) -> Message:
        """The next message, as an ASGI server gives it."""
        if self._end is not None:
            return self._end
        message = await self.receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        else:
            self._end = message
        return message

    async def drain(self, announced: str) -> bool:
        """Read what is left; returns whether the connection can go on.

        `announced` is the header with the body's size.
        """
        if not self._complete and announced.isdecimal() and int(announced) > self.bytes_max:
            return False
        with anyio.move_on_after(PATIENCE_SECONDS):
            while self._end is None and not self._complete and self._bytes <= self.bytes_max:
                await self()
        return self._complete
