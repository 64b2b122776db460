"""HTTP calls that really are sent: to servers on this machine, while time is virtual."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from attrs import define, field

from perdure import (
    App,
    DurableHttpResponse,
    FailureDetails,
    HttpRequestError,
    HttpRetryPolicy,
    OrchestrationContext,
    OrchestrationFailedError,
    PayloadTooLargeError,
    RetryPolicy,
    Runtime,
    TokenSource,
)
from perdure.testing import Environment

START = datetime(2030, 1, 1, tzinfo=UTC)
CAP = 20_000

Answer = tuple[int, dict[str, str], bytes]
Asked = tuple[str, str, dict[str, str], bytes]

app = App(payload_bytes_max=CAP)


@define
class Site:
    """A server, what it answers by path, and what it was asked."""

    port: int = 0
    answers: dict[str, list[Answer]] = field(factory=dict[str, list[Answer]])
    asked: list[Asked] = field(factory=list[Asked])
    silent: Event = field(factory=Event)
    """Answers to /silent wait until it is set, and those that drip go on."""
    gone: Event = field(factory=Event)
    """Set when a client has left an answer that drips."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def answer(self, path: str, status: int, body: bytes = b"", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault(path, []).append((status, named, body))

    @property
    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _, _ in self.asked]


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            site.asked.append((self.command, self.path, dict(self.headers), body))
            if self.path == "/silent":
                site.silent.wait(30)
            if self.path.startswith("/drip"):
                self._drip()
                return
            queue = site.answers.get(self.path, [(404, {}, b"")])
            status, headers, content = queue.pop(0) if len(queue) > 1 else queue[0]
            self.send_response(status)
            for name in headers.keys() - {"Content-Length"}:
                self.send_header(name, headers[name])
            self.send_header("Content-Length", headers.get("Content-Length", str(len(content))))
            self.end_headers()
            self.wfile.write(content)

        def _drip(self) -> None:
            self.send_response(200)
            if self.path == "/drip":
                self.end_headers()
            else:
                self.flush_headers()
                self.wfile.write(b"X-Long: ")
            try:
                while not site.silent.wait(0.005):
                    self.wfile.write(b".")
            except OSError:
                site.gone.set()

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - the server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    return Handler


@pytest.fixture(autouse=True)
def _directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's proxy, if it has one, out of this."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def site() -> Iterator[Site]:
    yield from serve()


@pytest.fixture
def other() -> Iterator[Site]:
    yield from serve()


def serve() -> Iterator[Site]:
    site = Site()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(site)) as server:
        site.port = server.server_port
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield site
        site.silent.set()
        server.shutdown()
        thread.join()


@app.orchestration
async def call(
    ctx: OrchestrationContext, method: str, uri: str, options: dict[str, Any]
) -> DurableHttpResponse:
    if "attempts" in options:
        options["retry"] = HttpRetryPolicy(
            max_attempts=options.pop("attempts"),
            first_interval=timedelta(seconds=10),
            status_codes=tuple(options.pop("codes")),
        )
    if "resource" in options:
        options["token_source"] = TokenSource(options.pop("resource"))
    return await ctx.call_http(method, uri, **options)


async def answer_of(
    env: Environment | Runtime, method: str, uri: str, **options: Any
) -> DurableHttpResponse:
    return await (await env.client.start_new(call, method, uri, options)).result()


async def failure_of(
    env: Environment | Runtime, method: str, uri: str, **options: Any
) -> FailureDetails:
    with pytest.raises(OrchestrationFailedError) as failed:
        await answer_of(env, method, uri, **options)
    inner = failed.value.details.inner
    assert inner is not None
    return inner


async def test_the_server_gets_what_was_asked(site: Site) -> None:
    site.answer("/x?q=1", 201, "grüße".encode("latin-1"), Content_Type="text/plain; charset=latin1")
    async with Environment(app) as env:
        response = await answer_of(
            env, "patch", site.url("/x?q=1"), content="né", headers={"X-Trace": "7"}
        )
    assert (response.status_code, response.content) == (201, "grüße")
    assert response.header("CONTENT-type") == "text/plain; charset=latin1"
    ((method, path, headers, body),) = site.asked
    assert (method, path, body.decode()) == ("PATCH", "/x?q=1", "né")
    assert (headers["X-Trace"], headers["Content-Type"]) == ("7", "text/plain")


async def test_a_real_202_is_polled_through(site: Site) -> None:
    site.answer("/start", 202, Location="/job", Retry_After="5")
    site.answer("/job", 202, Location="/job", Retry_After="5")
    site.answer("/job", 200, b"ready")
    async with Environment(app) as env:
        response = await answer_of(env, "POST", site.url("/start"), content={"n": 1})
        assert timedelta(seconds=10) <= env.now - START < timedelta(seconds=11)
    assert response.content == "ready"
    assert site.paths == ["POST /start", "GET /job", "GET /job"]
    assert site.asked[0][3] == b'{"n":1}'


async def test_listed_statuses_exhaust_the_attempts(site: Site) -> None:
    site.answer("/?sig=secret", 404)
    async with Environment(app) as env:
        failure = await failure_of(env, "GET", site.url("/?sig=secret"), attempts=3, codes=[404])
        assert failure.is_caused_by(HttpRequestError)
        assert failure.properties["status_code"] == 404
        assert "secret" not in failure.message
        assert len(site.asked) == 3
        assert timedelta(seconds=20) <= env.now - START < timedelta(seconds=21)


async def test_a_retry_may_succeed(site: Site) -> None:
    site.answer("/", 503)
    site.answer("/", 200, b"up")
    async with Environment(app) as env:
        response = await answer_of(env, "GET", site.url("/"), attempts=2, codes=[])
    assert response.content == "up"


async def test_an_unlisted_status_is_an_answer(site: Site) -> None:
    site.answer("/", 500)
    async with Environment(app) as env:
        response = await answer_of(env, "GET", site.url("/"), attempts=3, codes=[503])
    assert (response.status_code, len(site.asked)) == (500, 1)


async def test_a_plain_policy_retries_error_statuses(site: Site) -> None:
    own = App()

    @own.orchestration
    async def fetch(ctx: OrchestrationContext, uri: str) -> int:
        return (await ctx.call_http("GET", uri, retry=RetryPolicy(max_attempts=2))).status_code

    async with Environment(own) as env:
        instance = await env.client.start_new(fetch, site.url("/"))
        with pytest.raises(OrchestrationFailedError, match="status 404"):
            await instance.result()
    assert len(site.asked) == 2


async def test_nobody_listening_fails_the_call(site: Site) -> None:
    async with Environment(app) as env:
        failure = await failure_of(env, "GET", "http://127.0.0.1:1/")
    assert failure.is_caused_by(HttpRequestError)
    assert failure.properties["status_code"] is None


async def test_a_silent_server_times_out(site: Site) -> None:
    async with Environment(app) as env:
        failure = await failure_of(env, "GET", site.url("/silent"), timeout=0.1)
    assert failure.type == "TimeoutError"
    assert "0.1 s" in failure.message


async def test_slow_servers_hold_no_activities_up(site: Site) -> None:
    own = App()
    own.include(app)

    @own.activity
    def quick() -> str:
        return "quick"

    @own.orchestration
    async def work(ctx: OrchestrationContext) -> str:
        return await ctx.call_activity(quick)

    site.answer("/silent", 200)
    async with Runtime(own, activity_threads_max=1, http_calls_max=2) as runtime:
        slow = [
            await runtime.client.start_new(
                "call", "GET", site.url("/silent"), {}, returns=DurableHttpResponse
            )
            for _ in range(3)
        ]
        with anyio.fail_after(10):
            while len(site.asked) < 2:
                await anyio.lowlevel.checkpoint()
            assert await (await runtime.client.start_new(work)).result() == "quick"
        assert len(site.asked) == 2
        site.silent.set()
        assert [(await instance.result()).status_code for instance in slow] == [200, 200, 200]


@pytest.mark.parametrize("path", ["/drip", "/drip-headers"])
async def test_a_dripping_server_is_left(site: Site, path: str) -> None:
    async with Runtime(app) as runtime:
        failure = await failure_of(runtime, "GET", site.url(path), timeout=0.1)
    assert failure.type == "TimeoutError"
    assert await anyio.to_thread.run_sync(site.gone.wait, 10)


async def test_a_truncated_answer_is_a_failure(site: Site) -> None:
    site.answer("/", 200, b"half", Content_Length="8")
    async with Environment(app) as env:
        failure = await failure_of(env, "GET", site.url("/"))
    assert failure.is_caused_by(HttpRequestError)
    assert "4 more expected" in failure.message


async def test_a_body_of_unknown_length_is_read(site: Site) -> None:
    site.answer(
        "/", 200, b"4\r\nhalf\r\n0\r\n\r\n", Transfer_Encoding="chunked", Content_Length="x"
    )
    async with Environment(app) as env:
        assert (await answer_of(env, "GET", site.url("/"))).content == "half"


async def test_an_unsendable_request_fails(site: Site) -> None:
    async with Environment(app) as env:
        for options in ({"headers": {"X": "a\r\nY: b"}}, {"headers": {"X": "\u20ac"}}):
            failure = await failure_of(env, "GET", site.url("/"), **options)
            assert failure.is_caused_by(HttpRequestError)
    assert site.asked == []


async def test_a_body_has_a_cap(site: Site) -> None:
    site.answer("/fits", 200, b"x" * (CAP - 1000))
    site.answer("/large", 200, b"x" * (CAP + 1))
    async with Environment(app) as env:
        assert len((await answer_of(env, "GET", site.url("/fits"))).content) == CAP - 1000
        failure = await failure_of(env, "GET", site.url("/large"), attempts=2, codes=[])
    assert failure.is_caused_by(PayloadTooLargeError)
    assert len(site.asked) == 2


async def test_a_redirect_at_home_is_followed(site: Site) -> None:
    site.answer("/old", 302, Location="/new")
    site.answer("/new", 200, b"moved")
    async with Environment(app) as env:
        assert (await answer_of(env, "GET", site.url("/old"))).content == "moved"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_redirect_repeats_no_effect(site: Site, method: str) -> None:
    site.answer("/old", 307, Location="/new")
    async with Environment(app) as env:
        assert (await answer_of(env, method, site.url("/old"))).status_code == 307
    assert site.paths == [f"{method} /old"]


async def test_a_redirect_elsewhere_is_an_answer(site: Site, other: Site) -> None:
    site.answer("/old", 302, Location=other.url("/new"))
    async with Environment(app) as env:
        response = await answer_of(env, "GET", site.url("/old"))
    assert (response.status_code, response.header("location")) == (302, other.url("/new"))
    assert other.asked == []


@pytest.mark.parametrize("location", ["http://u:p@127.0.0.1/", "http://127.0.0.1:x/", "http://["])
async def test_a_redirect_nowhere_is_an_answer(site: Site, location: str) -> None:
    site.answer("/old", 302, Location=location)
    async with Environment(app) as env:
        response = await answer_of(env, "GET", site.url("/old"))
    assert (response.status_code, response.header("location")) == (302, location)


async def test_a_uri_with_spaces_is_sent(site: Site) -> None:
    site.answer("/old%20%C3%A4", 302, Location="/new b")
    site.answer("/new%20b", 200, b"moved")
    async with Environment(app) as env:
        assert (await answer_of(env, "GET", site.url("/old ä"))).content == "moved"


async def test_a_circle_of_redirects_ends(site: Site) -> None:
    site.answer("/", 302, Location="/")
    async with Environment(app) as env:
        assert (await answer_of(env, "GET", site.url("/"))).status_code == 302
    assert len(site.asked) <= 6


async def test_a_token_needs_a_provider(site: Site) -> None:
    async with Environment(app) as env:
        failure = await failure_of(env, "GET", site.url("/"), resource="https://vault.example")
    assert "token_provider" in failure.message
    assert site.asked == []


async def test_the_token_stays_out_of_history(site: Site) -> None:
    own = App(token_provider=lambda source: f"for {source.resource}")
    own.include(app)
    site.answer("/", 200)
    async with Environment(own) as env:
        instance = await env.client.start_new(call, "GET", site.url("/"), {"resource": "vault"})
        await instance.result()
        history = await env.client.export_history(instance.instance_id)
    assert site.asked[0][2]["Authorization"] == "Bearer for vault"
    assert "for vault" not in str(history)
