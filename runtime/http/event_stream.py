"""Server-sent events: the response that tells an instance's progress while it happens."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import anyio
from attrs import frozen
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from perdure.runtime.client.progress import Follower, Progress
from perdure.runtime.client.status_document import json_bytes

from .callers import while_there
from .shapes import EVENT_STREAM

logger = logging.getLogger("perdure.http")

HEARTBEAT = b": heartbeat\n\n"


@frozen
class Event:
    """One event of a stream."""

    name: str
    data: Any
    id: str | None = None
    """What a client that lost the connection says when it comes again."""

    def __bytes__(self) -> bytes:
        # JSON has no line breaks outside of texts, and escapes those inside.
        lines = [b"event: " + self.name.encode(), b"data: " + json_bytes(self.data)]
        if self.id is not None:
            lines.append(b"id: " + self.id.encode())
        return b"\n".join(lines) + b"\n\n"


Tell = Callable[[Progress], Iterator[Event]]


class EventStream(Response):
    """Follows an instance to its end, or until the reader, the server or the runtime is gone.

    Nothing is read ahead: as long as a reader does not take what was told, nothing more is asked
    for. A comment at least every `heartbeat` seconds keeps proxies from hanging up.
    """

    media_type = EVENT_STREAM

    def __init__(self, first: Progress, rest: Follower, tell: Tell, heartbeat: float) -> None:
        # A proxy that collects the answer before it passes it on would pass nothing on.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._rest = rest
        self._tell = tell
        self._heartbeat = heartbeat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI app does."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        try:
            await while_there(scope, receive, partial(self._write, send))
        except OSError:
            # So some servers say that the reader is gone.
            return
        except Exception as error:  # noqa: BLE001 - who comes again gets an answer that says it
            logger.warning("a stream of events ends early: %s", error)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        progress: Progress | None = self._first
        while progress is None or progress.status.is_running:
            await self._send(send, progress)
            progress = None
            with anyio.move_on_after(self._heartbeat):
                progress = await anext(self._rest)
        await self._send(send, progress)

    async def _send(self, send: Send, progress: Progress | None) -> None:
        chunks = [HEARTBEAT] if progress is None else map(bytes, self._tell(progress))
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
