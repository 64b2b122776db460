"""Traces that come in and go out as headers of HTTP requests."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_span_id

from perdure import App, OrchestrationContext, Runtime
from perdure.http import management_app
from perdure.telemetry import Telemetry
from perdure.testing import Environment

Named = Callable[[str], list[ReadableSpan]]

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {
    "traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01",
    "tracestate": "congo=t61rcWkgMzE",
    "baggage": "tenant=blue",
}

app = App("over http")


@app.orchestration
async def fetches(ctx: OrchestrationContext, address: str) -> str:
    answer = await ctx.call_http("GET", address)
    return answer.content or ""


@app.orchestration
async def returns(ctx: OrchestrationContext) -> str:
    return "done"


class Echo(BaseHTTPRequestHandler):
    """Answers with the trace headers that it was asked with."""

    def do_GET(self) -> None:
        told = "|".join(f"{self.headers[name]}" for name in HEADERS).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the server's name
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("many", [False, True])
async def test_a_start_belongs_to_its_request(
    telemetry: Telemetry, named: Named, many: bool
) -> None:
    path = "orchestrators" if many else "orchestrators/returns"
    body = [{"name": "returns"}] if many else None
    async with Runtime(app, telemetry=telemetry) as runtime:
        transport = httpx.ASGITransport(management_app(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            answer = await http.post(f"/{path}", headers=HEADERS, json=body)
    assert answer.status_code == 202
    (created,) = named("create_orchestration:returns PRODUCER")
    assert created.parent
    assert format_span_id(created.parent.span_id) == SPAN_ID


async def test_durable_requests_bear_the_trace(
    telemetry: Telemetry, named: Named, address: str
) -> None:
    async with Environment(app, telemetry=telemetry, patience=20) as env:
        instance = await env.client.start_new(fetches, address)
        told = await instance.result()
    (served,) = named("activity:BuiltIn::HttpActivity SERVER")
    assert served.context
    trace_id = f"{served.context.trace_id:032x}"
    # What follows are flags, of which newer SDKs set more than one.
    assert told.startswith(f"00-{trace_id}-{format_span_id(served.context.span_id)}-")


async def test_untraced_requests_bear_nothing(address: str) -> None:
    async with Environment(app, patience=20) as env:
        instance = await env.client.start_new(fetches, address)
        assert await instance.result() == "None|None|None"
