"""Activities of the 1.x model, and HTTP calls."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from perdure import App, DefinitionNotFoundError, OrchestrationFailedError
from perdure.functions import FunctionsApp, FunctionsError
from perdure.functions.host_settings import HostSettings
from perdure.functions.kernel import kernel_app
from perdure.testing import Environment

Decorated = Callable[[str], App]
Load = Callable[[Mapping[str, str]], FunctionsApp]

HTTP = "BuiltIn::HttpActivity"

KINDS = """
import threading

@app.orchestration_trigger(context_name="context")
def asks(context):
    nothing = yield context.call_activity("mirror")
    plain = yield context.call_activity("mirror", {"1": (1, 2.5, None, "é")})
    elsewhere = yield context.call_activity("Elsewhere", 1, expected_type=str)
    named = yield context.call_activity("named", "x")
    return [nothing, plain, elsewhere, named]

@app.activity_trigger(input_name="value")
async def mirror(value): return value

@app.activity_trigger(input_name="value", activity="Elsewhere")
def runs_in_a_thread(value: int) -> bool:
    return threading.current_thread() is not threading.main_thread()

@app.activity_trigger(input_name="value")
def named(value, context: func.Context):
    return [value, context.function_name, bool(context.invocation_id)]
"""


async def test_activities_are_sync_or_async(decorated: Decorated) -> None:
    async with Environment(decorated(KINDS)) as env:
        assert await (await env.client.start_new("asks")).result() == [
            None,
            {"1": [1, 2.5, None, "é"]},
            True,
            ["x", "named", True],
        ]


FAILING = """
@app.orchestration_trigger(context_name="context")
def fails(context):
    yield context.call_activity("well", 1)
    yield context.call_activity(context.get_input(), 1)

@app.activity_trigger(input_name="value")
def well(value): return value

@app.activity_trigger(input_name="value")
async def later(value): raise ValueError("boom\\nand more")

@app.activity_trigger(input_name="value")
def in_thread(value): raise ValueError("boom\\nand more")
"""


@pytest.mark.parametrize("activity", ["later", "in_thread"])
async def test_failures_are_told_in_the_log(
    decorated: Decorated, activity: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Environment(decorated(FAILING)) as env:
        started = await env.client.start_new("fails", activity, instance_id="x")
        with pytest.raises(OrchestrationFailedError):
            await started.result()
    told = [one for one in caplog.records if one.name == "perdure.functions"]
    reason = f"Exception: Activity function '{activity}' failed: ValueError: boom"
    assert [one.getMessage() for one in told] == [
        f"activity {activity} of instance x failed: ValueError: boom",
        f"orchestration fails, instance x, failed: {reason}",
    ]
    assert [one.levelname for one in told] == ["WARNING", "WARNING"]
    assert ["in " + activity in str(one.exc_text) for one in told] == [True, False]


async def test_a_missing_activity_is_named_to_its_caller(decorated: Decorated) -> None:
    body = """
    @app.orchestration_trigger(context_name="context")
    def asks(context):
        yield context.call_activity("nowhere", 1)
    """
    async with Environment(decorated(body)) as env:
        with pytest.raises(OrchestrationFailedError, match="no activity 'nowhere' is registered"):
            await (await env.client.start_new("asks")).result()


NOT_RUN = """
@app.orchestration_trigger(context_name="context")
def asks(context):
    return (yield context.call_activity("Reads", 1))

@app.activity_trigger(input_name="value")
@app.blob_input(arg_name="blob", path="x/y", connection="AzureWebJobsStorage")
def reads(value, blob): return value

@app.blob_output(arg_name="blob", path="x/y", connection="AzureWebJobsStorage")
@app.orchestration_trigger(context_name="context")
def writes(context, blob): return 1
"""


async def test_calls_of_what_is_not_run_say_why(decorated: Decorated) -> None:
    reason = "bindings of this kind are not supported: 'blob' \\('blob'\\)"
    async with Environment(decorated(NOT_RUN)) as env:
        with pytest.raises(OrchestrationFailedError, match=f"'Reads' is not run: {reason}"):
            await (await env.client.start_new("asks")).result()
        with pytest.raises(DefinitionNotFoundError, match=f"'writes' is not run: {reason}"):
            await env.client.start_new("writes")


WITH_CLIENT = """
import azure.durable_functions as df
app = df.DFApp()

@app.activity_trigger(input_name="value")
@app.durable_client_input(client_name="client")
async def starts(value, client):
    return [value, client]

@app.orchestration_trigger(context_name="context")
def asks(context):
    answer = yield context.call_activity(starts, 1)
    return answer
"""


async def test_an_activity_gets_its_client_from_the_host(loaded: Load) -> None:
    app = loaded({"function_app.py": WITH_CLIENT.replace("[value, client]", "str(type(client))")})
    text = '{"taskHubName": "h", "creationUrls": {}, "managementUrls": {}}'
    kernel = kernel_app(app, supply=lambda function: {b.name: text for b in function.clients})
    async with Environment(kernel) as env:
        assert "DurableOrchestrationClient" in await (await env.client.start_new("asks")).result()


async def test_a_client_without_a_host_is_refused(loaded: Load) -> None:
    async with Environment(kernel_app(loaded({"function_app.py": WITH_CLIENT}))) as env:
        with pytest.raises(
            OrchestrationFailedError, match=r"run the app with perdure\.functions\.host"
        ):
            await (await env.client.start_new("asks")).result()


def test_a_name_that_cannot_be_is_refused(decorated: Decorated) -> None:
    body = """
    @app.entity_trigger(context_name="context", entity_name="a@b")
    def one(context): ...
    """
    with pytest.raises(FunctionsError, match=r"function_app.py: cannot register 'a@b'"):
        decorated(body)


def test_one_name_for_two_functions_is_refused(decorated: Decorated) -> None:
    body = """
    @app.activity_trigger(input_name="a", activity="Same")
    def one(a): ...

    @app.activity_trigger(input_name="a", activity="SAME")
    def two(a): ...
    """
    with pytest.raises(FunctionsError, match="another function is registered as 'SAME'"):
        decorated(body)


@pytest.mark.parametrize(
    ("prefix", "told"), [("async ", "`async def` with `yield`"), ("", "only orchestrators yield")]
)
def test_activities_that_yield_are_refused(decorated: Decorated, prefix: str, told: str) -> None:
    body = f"""
    @app.activity_trigger(input_name="a")
    {prefix}def stream(a): yield a
    """
    with pytest.raises(FunctionsError, match=rf"'stream' in .*function_app.py: {told}"):
        decorated(body)


CALLS_HTTP = """
import azure.durable_functions as df
app = df.DFApp()

@app.orchestration_trigger(context_name="context")
def posts(context):
    token = df.ManagedIdentityTokenSource("https://vault.example")
    answer = yield context.call_http("post", "http://a.example/x", {"a": 1}, {"X": "y"}, token)
    raw = yield context.call_http("POST", "http://a.example/x", "as is", is_raw_str=True)
    text = yield context.call_http("POST", "http://a.example/x", "quoted")
    return [answer["statusCode"], answer["headers"]["h"], raw["content"], text["statusCode"]]
"""


async def test_http_answers_are_plain_objects(loaded: Load) -> None:
    kernel = kernel_app(loaded({"function_app.py": CALLS_HTTP}))
    async with Environment(kernel) as env:
        env.stub(HTTP, {"statusCode": 404, "headers": {"h": "v"}, "content": "gone"})
        result = await (await env.client.start_new("posts")).result()
        assert result == [404, "v", "gone", 404]
        first, raw, text = [request for (request,) in env.calls_of(HTTP)]
        assert (first["content"], raw["content"], text["content"]) == (
            '{"a": 1}',
            "as is",
            '"quoted"',
        )
        assert first["tokenSource"]["resource"] == "https://vault.example/.default"


async def test_polls_keep_the_pace_of_the_settings(loaded: Load) -> None:
    settings = HostSettings(poll_interval=timedelta(hours=2))
    async with Environment(kernel_app(loaded({"function_app.py": CALLS_HTTP}), settings)) as env:
        answers: list[dict[str, object]] = [
            {"statusCode": 202, "headers": {"Location": "/job"}, "content": ""}
        ]
        done: dict[str, object] = {"statusCode": 200, "headers": {"h": "v"}, "content": "done"}

        def answer(_: object) -> dict[str, object]:
            return answers.pop() if answers else done

        env.stub(HTTP, answer)
        begun = env.now
        await (await env.client.start_new("posts")).result()
        assert timedelta(hours=2) <= env.now - begun < timedelta(hours=3)


async def test_an_orchestration_asks_for_so_much_at_most(loaded: Load) -> None:
    body = """
    import azure.durable_functions as df
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def greedy(context):
        while True:
            yield context.create_timer(context.current_utc_datetime)
    """
    kernel = kernel_app(loaded({"function_app.py": body}), HostSettings(actions_max=5))
    async with Environment(kernel) as env:
        with pytest.raises(OrchestrationFailedError, match="has asked for 5 things"):
            await (await env.client.start_new("greedy")).result()
