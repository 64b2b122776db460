"""Arguments of the wrong kind are refused by an error that names them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import anyio.to_thread
import pytest

from perdure import (
    App,
    Client,
    DefinitionNotFoundError,
    InstanceIdError,
    OrchestrationContext,
    PayloadError,
    RetryPolicy,
    Runtime,
    Status,
    TaskFailedError,
)
from perdure.testing import Environment, replay

app = App("misuse")


@app.activity
async def act() -> str:
    return "real"


@app.orchestration
async def waits(ctx: OrchestrationContext, value: Any = None) -> Any:
    return await ctx.wait_for_external_event("go")


@app.orchestration
async def acts(ctx: OrchestrationContext) -> str:
    try:
        return await ctx.call_activity(act)
    except TaskFailedError as error:
        return error.details.type


Call = Callable[[Any], Awaitable[Any]]

CALLS: list[tuple[Call, str]] = [
    (lambda c: c.query(statuses="Running"), "statuses takes a collection of Status members"),
    (lambda c: c.query(statuses=["Running"]), "statuses takes Status members, not 'Running'"),
    (lambda c: c.query(names="w"), "names takes a collection of texts, not 'w'"),
    (lambda c: c.query(names=[5]), "names takes texts, not 5"),
    (lambda c: c.count(names="w"), "names takes a collection of texts, not 'w'"),
    (lambda c: c.purge_by(names="w"), "names takes a collection of texts, not 'w'"),
    (lambda c: c.query(tags={"a": 1}), "tags are texts, not 'a': 1"),
    (lambda c: c.query(created_from="x"), "a time is given as a datetime, not as str 'x'"),
    (lambda c: c.query(page_size=10**30), "page_size must be at least 1 and at most"),
    (lambda c: c.query(page_size="5"), "page_size is a whole number, not '5'"),
    (lambda c: c.query(continuation_token=5), "continuation_token is a text, not 5"),
    (lambda c: c.query(instance_id_prefix=5), "instance_id_prefix is a text, not 5"),
    (lambda c: c.query_entities(page_size=0), "page_size must be at least 1 and at most"),
    (lambda c: c.query_entities(page_size=1.5), "page_size is a whole number, not 1.5"),
    (lambda c: c.query_entities(name=5), "name is a text, not 5"),
    (lambda c: c.query_entities(name="a@b"), "'a@b' cannot be an id: an entity name"),
    (lambda c: c.query_entities(name="a", key_prefix=5), "key_prefix is a text, not 5"),
    (lambda c: c.query_entities(key_prefix="k"), "key_prefix needs the name of the entity"),
    (lambda c: c.query_entities(continuation_token=5), "continuation_token is a text, not 5"),
    (lambda c: c.query_entities(last_modified_to="x"), "a time is given as a datetime"),
    (lambda c: c.start_new(waits, 1, reuse="x"), "reuse takes a collection of Status members"),
    (lambda c: c.start_new(waits, 1, version=5), "version is a text, not 5"),
    (lambda c: c.start_new(waits, 1, start_at="x"), "a time is given as a datetime"),
    (lambda c: c.start_new(waits, 1, instance_id=5), "5 cannot be an id: it is a text, not int"),
    (lambda c: c.start_new(waits, 1, tags=["a"]), "tags is a mapping of texts to texts"),
    (lambda c: c.raise_event("a", 5), r"event \(int\): is a text, not 5"),
]


@pytest.mark.parametrize(("call", "problem"), CALLS)
async def test_a_client_names_the_wrong_argument(call: Call, problem: str) -> None:
    async with Environment(app) as env:
        await env.client.start_new(waits, 1, instance_id="a")
        with pytest.raises((TypeError, ValueError), match=problem):
            await call(env.client)


async def test_an_odd_id_is_an_instance_id_error() -> None:
    async with Environment(app) as env:
        odd: Any = 5
        with pytest.raises(InstanceIdError):
            await env.client.start_new(waits, 1, instance_id=odd)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"store": None}, "store is a URL, a path object or a store, not None"),
        ({"store": b"x"}, "store is a URL, a path object or a store, not b'x'"),
        ({"drain_timeout": "3"}, "drain_timeout is a number of seconds, not '3'"),
        ({"drain_timeout": -1}, "drain_timeout must not be negative"),
        ({"durability": "x"}, "^durability is 'full' or 'relaxed', not 'x'$"),
        ({"drain_timout": 3}, "did you mean 'drain_timeout'"),
        ({"nonsense": 3}, "no setting 'nonsense'; Known are durability, drain_timeout"),
        ({"activities_max": 1.5}, "activities_max is a whole number, not 1.5"),
        ({"activities_max": 0}, "activities_max must be at least 1"),
        ({"poll_interval": 0}, "poll_interval must be longer than zero"),
    ],
)
def test_a_runtime_names_the_wrong_setting(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises((TypeError, ValueError), match=problem):
        Runtime(app, **settings)


async def test_a_client_names_the_wrong_store() -> None:
    odd: Any = b"x"
    with pytest.raises(TypeError, match="store is a URL, a path object or a store"):
        await Client(odd).__aenter__()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"max_attempts": 1.5}, "max_attempts is a whole number, not 1.5"),
        ({"max_attempts": 0}, "max_attempts must be at least 1"),
        ({"backoff": float("inf")}, "backoff must be finite"),
        ({"backoff": "x"}, "backoff is a number, not 'x'"),
        ({"first_interval": "x"}, "first_interval is a timedelta or a number of seconds"),
        ({"first_interval": float("nan")}, "first_interval must be at most"),
        ({"first_interval": 0}, "first_interval must be longer than zero"),
        ({"max_interval": "x"}, "max_interval is a timedelta or a number of seconds"),
    ],
)
def test_a_policy_names_the_wrong_field(fields: dict[str, Any], problem: str) -> None:
    given: dict[str, Any] = {"max_attempts": 3, **fields}
    with pytest.raises((TypeError, ValueError), match=problem):
        RetryPolicy(**given)


def test_a_policy_takes_seconds_as_numbers() -> None:
    policy = RetryPolicy(max_attempts=3, first_interval=5, max_interval=7.5, retry_timeout=60)
    assert policy.first_interval == timedelta(seconds=5)
    assert policy.max_interval == timedelta(seconds=7.5)
    assert policy.retry_timeout == timedelta(minutes=1)


async def test_a_timeout_says_what_was_awaited() -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(waits, 1, instance_id="slow")
        with pytest.raises(TimeoutError, match=r"instance 'slow' is Running after 0\.01 s"):
            await instance.result(timeout=0.01)


def test_a_status_is_shown_by_its_label() -> None:
    assert str(Status.RUNNING) == "Running"
    assert f"{Status.CONTINUED_AS_NEW:>15}" == " ContinuedAsNew"


def test_a_cut_list_of_names_says_so() -> None:
    full = str(DefinitionNotFoundError("activity", "x", list("abcdefgh")))
    cut = str(DefinitionNotFoundError("activity", "x", list("abcdefghi")))
    assert full.endswith("g, h")
    assert cut.endswith("g, h, ...")


async def test_a_bare_object_is_no_cycle() -> None:
    async with Environment(app) as env:
        with pytest.raises(PayloadError, match="is not JSON; use an attrs class"):
            await env.client.start_new(waits, object())


async def test_a_stub_raises_an_error_class() -> None:
    async with Environment(app) as env:
        env.stub(act, ValueError)
        assert await (await env.client.start_new(acts)).result() == "ValueError"


async def test_time_never_goes_back() -> None:
    async with Environment(app) as env:
        with pytest.raises(ValueError, match="time only passes forwards"):
            await env.advance(timedelta(seconds=-1))


@pytest.mark.parametrize("text", ["nonsense", "[1]", '{"a": 1}', "[]"])
def test_nonsense_is_no_history(text: str) -> None:
    with pytest.raises(ValueError, match="history"):
        replay(app, text)


async def test_a_client_stays_with_its_event_loop() -> None:
    async with Runtime(App("alone")) as runtime:
        used = partial(asyncio.run, runtime.client.get_status("a"))
        with pytest.raises(RuntimeError, match="belongs to the event loop"):
            await anyio.to_thread.run_sync(used)


async def test_purging_by_a_wrong_status_is_refused() -> None:
    async with Environment(App("alone")) as env:
        with pytest.raises(TypeError, match="statuses"):
            await env.client.purge_by(statuses=["Running"])  # type: ignore[list-item]
