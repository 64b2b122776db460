"""HTTP calls of orchestrations, as scripted answers under virtual time."""

from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from perdure import (
    App,
    DurableHttpResponse,
    OrchestrationContext,
    OrchestrationFailedError,
    TaskCancelledError,
    TokenSource,
)
from perdure.testing import Environment, replay

HTTP = "BuiltIn::HttpActivity"
START = datetime(2030, 1, 1, tzinfo=UTC)
SECRETS = {"Authorization": "Bearer s", "Cookie": "c=1", "X-Functions-Key": "k", "Accept": "a/b"}

app = App()


@app.orchestration
async def post(ctx: OrchestrationContext, uri: str) -> tuple[int, str]:
    response = await ctx.call_http(
        "post",
        uri,
        content={"a": 1},
        headers=SECRETS,
        token_source=TokenSource("https://vault.example"),
    )
    return response.status_code, response.content


def accepted(location: str, retry_after: str | None = None) -> DurableHttpResponse:
    headers = {"location": location}
    if retry_after is not None:
        headers["RETRY-AFTER"] = retry_after
    return DurableHttpResponse(202, headers)


def script(*answers: DurableHttpResponse) -> Callable[[Any], DurableHttpResponse]:
    left = list(answers)
    return lambda _: left.pop(0)


def requests(env: Environment) -> list[dict[str, Any]]:
    return [request for (request,) in env.calls_of(HTTP)]


async def test_an_answer_of_any_status_is_returned() -> None:
    async with Environment(app) as env:
        env.stub(HTTP, DurableHttpResponse(404, {}, "nothing here"))
        instance = await env.client.start_new(post, "http://a.example/x")
        assert await instance.result() == (404, "nothing here")
        (sent,) = requests(env)
        assert (sent["method"], sent["content"]) == ("POST", '{"a":1}')
        assert sent["headers"]["Content-Type"] == "application/json"


async def test_a_202_is_polled_until_done() -> None:
    async with Environment(app) as env:
        done = DurableHttpResponse(200, {}, "done")
        env.stub(HTTP, script(accepted("/jobs/1?x=1", "7"), accepted("2"), done))
        instance = await env.client.start_new(post, "http://a.example/jobs")
        assert await instance.result() == (200, "done")
        posted, first, second = requests(env)
        assert posted["method"] == "POST"
        assert (first["method"], first["uri"]) == ("GET", "http://a.example/jobs/1?x=1")
        assert (second["uri"], second["content"]) == ("http://a.example/jobs/2", None)
        assert timedelta(seconds=37) <= env.now - START < timedelta(seconds=38)


async def test_a_poll_at_home_keeps_its_credentials() -> None:
    async with Environment(app) as env:
        env.stub(HTTP, script(accepted("http://A.example:80/job"), DurableHttpResponse(200)))
        instance = await env.client.start_new(post, "http://a.example/x")
        await instance.result()
        poll = requests(env)[1]
        assert poll["headers"] == {"Authorization": "Bearer s", "Cookie": "c=1", "Accept": "a/b"}
        assert poll["tokenSource"]["resource"] == "https://vault.example"


@pytest.mark.parametrize(
    "elsewhere", ["http://b.example/", "https://a.example/", "http://a.example:81/", "//c.example/"]
)
async def test_a_poll_elsewhere_carries_no_credentials(elsewhere: str) -> None:
    async with Environment(app) as env:
        back = accepted("http://a.example/again")
        env.stub(HTTP, script(accepted(elsewhere), back, DurableHttpResponse(200)))
        instance = await env.client.start_new(post, "http://a.example/x")
        await instance.result()
        for poll in requests(env)[1:]:
            assert poll["headers"] == {"Accept": "a/b"}
            assert poll["tokenSource"] is None


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("90", 90),
        ("Tue, 01 Jan 2030 00:02:00 GMT", 120),
        ("Mon, 01 Jan 2029 00:00:00 GMT", 1),
        ("0", 1),
        ("9" * 5000, 86_400),
        ("soon", 30),
        ("-5", 30),
        (None, 30),
    ],
)
async def test_retry_after_sets_the_pace(retry_after: str | None, seconds: int) -> None:
    async with Environment(app) as env:
        env.stub(HTTP, script(accepted("/job", retry_after), DurableHttpResponse(200)))
        instance = await env.client.start_new(post, "http://a.example/x")
        await instance.result()
        assert seconds - 1 < (env.now - START).total_seconds() < seconds + 1


@pytest.mark.parametrize("answer", [DurableHttpResponse(202), DurableHttpResponse(302)])
async def test_what_cannot_be_polled_is_returned(answer: DurableHttpResponse) -> None:
    async with Environment(app) as env:
        env.stub(HTTP, answer)
        instance = await env.client.start_new(post, "http://a.example/x")
        assert await instance.result() == (answer.status_code, "")


async def test_without_the_pattern_a_202_is_returned() -> None:
    own = App()

    @own.orchestration
    async def impatient(ctx: OrchestrationContext) -> int:
        call = ctx.call_http("GET", "http://a.example/", asynchronous_pattern=False)
        return (await call).status_code

    async with Environment(own) as env:
        env.stub(HTTP, accepted("/job"))
        assert await (await env.client.start_new(impatient)).result() == 202


async def test_a_location_of_another_scheme_fails() -> None:
    async with Environment(app) as env:
        env.stub(HTTP, accepted("file:///etc/passwd"))
        instance = await env.client.start_new(post, "http://a.example/x")
        with pytest.raises(OrchestrationFailedError, match="goes to http"):
            await instance.result()


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("ftp://a.example/", "not to 'ftp://a.example/'"),
        ("http:///x", "not to 'http:///x'"),
        ("/x", "not to '/x'"),
        ("http://u:hidden@a.example/x?q", "'http://***@a.example/x' would end up in logs"),
        ("http://a.example:99999/", "'http://a.example:99999/' is no URI"),
        ("http://[::1/", "'http://[::1/' is no URI"),
        ("http://a.example/\nx", "has control characters: quote them"),
        ("http://a b.example/", "has no host that could be reached"),
        ("http://..\u00e4/", "has no host that could be reached"),
        ("http://stra\u00dfe.example/", "write the one that is meant, xn--"),
    ],
)
async def test_an_unfit_uri_is_refused(uri: str, text: str) -> None:
    async with Environment(app) as env:
        env.stub(HTTP, DurableHttpResponse(200))
        instance = await env.client.start_new(post, uri)
        with pytest.raises(OrchestrationFailedError) as failed:
            await instance.result()
        details = failed.value.details
        assert details.type == "ValueError"
        assert text in details.message
        assert "hidden" not in details.message
        assert requests(env) == []


@pytest.mark.parametrize(
    ("uri", "sent"),
    [
        ("http://a.example/a b?q=\u00e4#x y", "http://a.example/a%20b?q=%C3%A4#x%20y"),
        ("http://a.example/%20%zz", "http://a.example/%20%25zz"),
        ("http://B\u00fccher.example:81/", "http://xn--bcher-kva.example:81/"),
        (" http://[::1]:80/x ", "http://[::1]:80/x"),
        ("http://a.example/x;y=1,2?z=(a/b)'*!$&@:[]", "http://a.example/x;y=1,2?z=(a/b)'*!$&@:[]"),
    ],
)
async def test_what_people_write_is_quoted(uri: str, sent: str) -> None:
    async with Environment(app) as env:
        env.stub(HTTP, DurableHttpResponse(200))
        await (await env.client.start_new(post, uri)).result()
        (request,) = requests(env)
        assert request["uri"] == sent


@pytest.mark.parametrize(
    ("location", "polled"),
    [
        ("/a b", "/a%20b"),
        ("/\u00c3\u00a4", "/%C3%A4"),  # UTF-8, as HTTP clients read it: by Latin-1
        ("/\u00e4", "/%E4"),
        ("/\u20ac", "/%E2%82%AC"),
    ],
)
async def test_what_servers_write_is_quoted(location: str, polled: str) -> None:
    async with Environment(app) as env:
        env.stub(HTTP, script(accepted(location), DurableHttpResponse(200)))
        await (await env.client.start_new(post, "http://a.example/x")).result()
        assert requests(env)[1]["uri"] == f"http://a.example{polled}"


@pytest.mark.parametrize("location", ["http://u:hidden@b.example/", "http://[b.example/"])
async def test_an_unfit_location_says_whose(location: str) -> None:
    async with Environment(app) as env:
        env.stub(HTTP, accepted(location))
        instance = await env.client.start_new(post, "http://a.example/x?secret")
        text = "http://a.example/x answered 202 with an unfit Location: .*b.example"
        with pytest.raises(OrchestrationFailedError, match=text) as failed:
            await instance.result()
        assert "hidden" not in failed.value.details.message


async def test_a_crash_between_polls_repeats_nothing() -> None:
    async with Environment(app, auto_advance=False) as env:
        env.stub(HTTP, script(accepted("/job", "60"), DurableHttpResponse(200, {}, "done")))
        instance = await env.client.start_new(post, "http://a.example/x")
        await env.advance(timedelta(seconds=30))
        await env.crash()
        await env.advance(timedelta(seconds=31))
        status = await env.client.get_status(instance.instance_id)
        assert status is not None
        assert status.output == [200, "done"]
        assert [request["method"] for request in requests(env)] == ["POST", "GET"]
        history = await env.client.get_history(instance.instance_id)
        assert replay(env.app, history).new_calls == []


async def test_the_first_request_is_sent_unawaited() -> None:
    own = App()

    @own.orchestration
    async def forget(ctx: OrchestrationContext) -> None:
        ctx.call_http("GET", "http://a.example/")

    async with Environment(own) as env:
        env.stub(HTTP, DurableHttpResponse(200))
        await (await env.client.start_new(forget)).result()
        await env.settle()
        assert len(requests(env)) == 1


@pytest.mark.parametrize("before", [timedelta(0), timedelta(seconds=5)])
async def test_a_cancelled_call_polls_no_more(before: timedelta) -> None:
    own = App()

    @own.orchestration
    async def give_up(ctx: OrchestrationContext) -> str:
        call = ctx.call_http("GET", "http://a.example/")
        if before:
            await ctx.create_timer(before)
        call.cancel()
        await ctx.create_timer(timedelta(hours=1))
        try:
            await call
        except TaskCancelledError:
            return "cancelled"
        return "answered"

    async with Environment(own) as env:
        env.stub(HTTP, accepted("/job"))
        instance = await env.client.start_new(give_up)
        assert await instance.result() == "cancelled"
        assert len(requests(env)) <= 1


async def test_a_deadline_ends_the_polling() -> None:
    own = App()

    @own.orchestration
    async def bounded(ctx: OrchestrationContext) -> str:
        with anyio.move_on_after(60):
            await ctx.call_http("GET", "http://a.example/")
        await ctx.create_timer(timedelta(hours=1))
        return "gave up"

    async with Environment(own) as env:
        env.stub(HTTP, script(*[accepted("/job", "25")] * 9))
        instance = await env.client.start_new(bounded)
        assert await instance.result() == "gave up"
        assert len(requests(env)) == 3
        history = await env.client.get_history(instance.instance_id)
        assert replay(env.app, history).open_calls == 0


async def test_a_generator_can_yield_a_call() -> None:
    own = App()

    @own.orchestration
    def classic(context: OrchestrationContext) -> Generator[Any, Any, str]:
        response = yield context.call_http("GET", "http://a.example/")
        return str(response.content)

    async with Environment(own) as env:
        env.stub(HTTP, script(accepted("/job", "1"), DurableHttpResponse(200, {}, "done")))
        assert await (await env.client.start_new(classic)).result() == "done"


async def test_the_built_in_activity_is_nobodys_definition() -> None:
    mine, theirs = App(), App()
    async with Environment(mine) as env:
        assert env.app.activity_of(HTTP).name == HTTP
        env.app.include(theirs)
        theirs.include(env.app)
        assert env.app.activity_of(HTTP).name == HTTP
        assert list(env.app.activities) == list(theirs.activities) == []
