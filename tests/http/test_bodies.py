"""Bodies that nobody wants: the connection outlives them, or its end is said."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from perdure import Runtime
from perdure.http import Keys, management_site

Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

BASE = "http://localhost/runtime/webhooks/durabletask"
TEXT = {"content-type": "text/plain"}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/nowhere", 404),
        ("/orchestrators/nope", 400),
        ("/instances/none/raiseEvent/go", 404),
        ("/instances/none/terminate", 404),
    ],
)
async def test_a_refusal_reads_the_body_first(runtime: Runtime, path: str, code: int) -> None:
    pieces: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        for piece in (b'"x', b'y"', b" "):
            pieces.append(piece)
            yield piece

    transport = httpx.ASGITransport(management_site(runtime, unguarded=True))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as http:
        answer = await http.post(path, content=body(), headers=TEXT)
    assert (answer.status_code, len(pieces)) == (code, 3)
    assert "connection" not in answer.headers


async def test_refused_requests_leave_the_connection_usable(
    runtime: Runtime, serving: Serving
) -> None:
    async with serving(management_site(runtime, keys=Keys(full="all"))) as http:
        for _ in range(50):
            answer = await http.post("/instances/none/raiseEvent/go", content=b'"x"')
            assert answer.status_code == 401
            assert "connection" not in answer.headers


class Endless(httpx.AsyncByteStream):
    """A body whose size is not announced."""

    def __aiter__(self) -> "Endless":
        return self

    async def __anext__(self) -> bytes:
        return b"x" * 600


@pytest.mark.parametrize("path", ["/nowhere", "/orchestrators/echoes"])
@pytest.mark.parametrize("content", [b"x" * 18_000, Endless()], ids=["announced", "endless"])
async def test_too_large_bodies_end_the_connection(
    runtime: Runtime, path: str, content: Any
) -> None:
    site = management_site(runtime, unguarded=True, body_bytes_max=1_000)
    transport = httpx.ASGITransport(site)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as http:
        request = httpx.Request("POST", BASE + path, **_sent(content))
        answer = await http.send(request)
        assert answer.status_code == (404 if path == "/nowhere" else 413)
        assert answer.headers["connection"] == "close"


async def test_who_still_sends_gets_the_answer(runtime: Runtime, serving: Serving) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 100_000

    async with serving(management_site(runtime)) as http:
        for content in (b"x" * 5_000_000, body(), b"x" * 40_000_000):
            answer = await http.post("/orchestrators/echoes", content=content)
            assert answer.status_code == 413
            assert "connection" not in answer.headers


def _sent(content: Any) -> dict[str, Any]:
    return {"stream": content} if isinstance(content, Endless) else {"content": content}
