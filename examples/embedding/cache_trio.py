"""A cache over TCP, on trio: values expire when they should, also after a crash.

`python cache_trio.py 4000`, and in another terminal `nc localhost 4000`:

    set tea green 90        kept for 90 seconds
    get tea                 green
"""

import signal
import sys
from contextlib import suppress
from datetime import timedelta
from functools import partial

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import define

from perdure import App, Client, EntityContext, PerdureError, Runtime

app = App("cache")
LINE_BYTES_MAX = 1_000


@app.entity
@define
class Entry:
    value: str | None = None
    version: int = 0

    def put(self, ctx: EntityContext, value: str, seconds: float) -> None:
        """Keep the value, and send oneself a message for later."""
        self.value, self.version = value, self.version + 1
        later = ctx.current_utc_datetime + timedelta(seconds=seconds)
        ctx.signal_entity(ctx.entity_id, Entry.expire, self.version, at=later)

    def get(self) -> str | None:
        return self.value

    def expire(self, version: int) -> None:
        if version == self.version:
            self.value = None


async def answer(client: Client, line: str) -> str:
    match line.split():
        case ["get", key]:
            return await client.entity(Entry, key).call(Entry.get) or "(nothing)"
        case ["set", key, value, seconds] if seconds.isdecimal():
            await client.entity(Entry, key).call(Entry.put, value, float(seconds))
            return "kept"
        case _:
            return "say `get KEY` or `set KEY VALUE SECONDS`"


async def converse(client: Client, stream: SocketStream) -> None:
    lines = BufferedByteReceiveStream(stream)
    async with stream:
        # Who hangs up ends this conversation, and not the service.
        with suppress(anyio.IncompleteRead, anyio.DelimiterNotFound, anyio.BrokenResourceError):
            while True:
                line = await lines.receive_until(b"\n", LINE_BYTES_MAX)
                try:
                    said = await answer(client, line.decode())
                except (UnicodeDecodeError, PerdureError) as error:
                    said = f"no: {error}"
                await stream.send(f"{said}\n".encode())


async def main(port: int) -> None:
    runtime = Runtime(app, store="sqlite:///cache.db")
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    async with listener, anyio.create_task_group() as group:
        client: Client = await group.start(runtime.run)
        group.start_soon(listener.serve, partial(converse, client))
        print("listening on port", listener.extra(SocketAttribute.local_port), flush=True)  # noqa: S610
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            await anext(signals)
        group.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), backend="trio")
