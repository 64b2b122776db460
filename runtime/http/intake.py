"""What a request's body leaves to be read when its answer is there already.

A server cannot keep a connection on which unread bytes lie: it hangs up after the answer. The
caller's next request on it dies, and so does the answer itself if the caller still sends: the reset
takes away what it has not read. So the rest is read first, and forgotten; where it is far too much,
or too slow, the answer says that the connection ends.
"""

import anyio
from attrs import define, field
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

PATIENCE_SECONDS = 5.0
"""How long the rest of a body that nobody wants is waited for."""
UNWANTED_FACTOR = 16
"""How many times as large as an allowed body one may be to be read for its answer's sake."""


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

    async def answer(self, response: Response, scope: Scope, send: Send) -> None:
        """Send the answer to whoever has sent the body, once what is left of that is read."""
        kept = await self._drain(Headers(scope=scope).get("content-length", "0"))
        # Later versions of HTTP forbid the header; they end one request without the others.
        if not kept and scope.get("http_version", "1.1").startswith("1"):
            response.headers["Connection"] = "close"
        await response(scope, self, send)

    async def _drain(self, announced: str) -> bool:
        """Read what is left of as many bytes as `announced`; whether the connection can go on."""
        most = UNWANTED_FACTOR * self.bytes_max
        if not self._complete and announced.isdecimal() and int(announced) > most:
            return False
        with anyio.move_on_after(PATIENCE_SECONDS):
            while self._end is None and not self._complete and self._bytes <= most:
                await self()
        return self._complete
