"""Spans are told once, whatever happens to the process between their beginning and their end."""

from collections.abc import Callable
from datetime import timedelta

import anyio
from attrs import define
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from perdure import App, OrchestrationContext
from perdure.persistence.store import Store
from perdure.telemetry import Telemetry
from perdure.testing import Environment

Tree = Callable[[], str]
Named = Callable[[str], list[ReadableSpan]]


@define
class Mood:
    """Whether the activity fails."""

    bad: bool = False


def make_app(mood: Mood) -> App:
    app = App("restarts")

    @app.activity
    async def work(number: int) -> int:
        if mood.bad:
            raise ValueError(number)
        return number

    @app.entity
    @define
    class Counter:
        value: int = 0

        def add(self) -> int:
            self.value += 1
            return self.value

    @app.orchestration
    async def child(ctx: OrchestrationContext) -> int:
        await ctx.wait_for_external_event("go")
        return await ctx.call_activity(work, 2)

    @app.orchestration
    async def parent(ctx: OrchestrationContext) -> int:
        await ctx.call_activity(work, 1)
        await ctx.entity(Counter, "a").call(Counter.add)
        timer = ctx.create_timer(3600)
        got = await ctx.call_sub_orchestrator(child, instance_id="child")
        await timer
        return got

    return app


WHOLE = """
    create_orchestration:parent PRODUCER
      orchestration:parent SERVER
        activity:work CLIENT
          activity:work SERVER
        entity:counter:add CLIENT
          entity:counter:add SERVER
        orchestration:child CLIENT
          orchestration:child SERVER
            activity:work CLIENT
              activity:work SERVER
        orchestration:parent:timer INTERNAL
    orchestration_event:go PRODUCER
"""


async def test_a_crash_in_the_middle_changes_nothing(
    telemetry: Telemetry, tree: Tree, named: Named, store: Store
) -> None:
    async with Environment(make_app(Mood()), store=store, telemetry=telemetry) as env:
        instance = await env.client.start_new("parent", instance_id="parent")
        await env.settle()
        began = env.now.timestamp() * 1_000_000_000
        await env.crash()
        await env.client.raise_event("child", "go")
        assert await env.client.instance("parent").result() == 2
        assert instance.instance_id == "parent"
    assert tree() == WHOLE
    (whole,) = named("orchestration:parent SERVER")
    assert whole.start_time is not None
    assert whole.start_time < began


async def test_a_suspended_answer_is_told_once(
    telemetry: Telemetry, tree: Tree, store: Store
) -> None:
    async with Environment(make_app(Mood()), store=store, telemetry=telemetry) as env:
        await env.client.start_new("parent", instance_id="parent")
        await env.settle()
        await env.client.suspend("parent")
        await env.client.raise_event("child", "go")
        await env.client.wait_for_completion("child")
        await env.settle()
        await env.crash()
        await env.client.resume("parent")
        assert await env.client.instance("parent").result() == 2
    assert tree() == WHOLE


async def test_a_rewound_execution_has_spans_of_its_own(
    telemetry: Telemetry, tree: Tree, store: Store
) -> None:
    mood = Mood(bad=True)
    async with Environment(make_app(mood), store=store, telemetry=telemetry) as env:
        await env.client.start_new("child", instance_id="child")
        await env.client.raise_event("child", "go")
        await env.client.wait_for_completion("child")
        mood.bad = False
        await env.crash()
        await env.client.rewind("child")
        assert await env.client.instance("child").result() == 2
    assert (
        tree()
        == """
    create_orchestration:child PRODUCER
      orchestration:child SERVER !
        activity:work CLIENT !
          activity:work SERVER !
      orchestration:child SERVER
        activity:work CLIENT
          activity:work SERVER
    orchestration_event:go PRODUCER
"""
    )


async def test_a_rewound_child_belongs_to_the_new_attempt(telemetry: Telemetry, tree: Tree) -> None:
    mood = Mood()
    async with Environment(make_app(mood), telemetry=telemetry) as env:
        await env.client.start_new("parent", instance_id="parent")
        await env.settle()
        mood.bad = True
        await env.client.raise_event("child", "go")
        await env.client.wait_for_completion("parent")
        mood.bad = False
        await env.crash()
        await env.client.rewind("parent")
        assert await env.client.instance("parent").result() == 2
    second = tree().split("orchestration:parent SERVER\n")[1]
    assert (
        second
        == """\
        orchestration:child CLIENT
          orchestration:child SERVER
            activity:work CLIENT
              activity:work SERVER
        orchestration:parent:timer INTERNAL
    orchestration_event:go PRODUCER
"""
    )


async def test_a_repeated_run_is_another_part(
    telemetry: Telemetry, tree: Tree, store: Store
) -> None:
    app, runs = App("repeats"), 0

    @app.activity
    async def work() -> int:
        nonlocal runs
        runs += 1
        if runs == 1:
            await anyio.sleep_forever()
        return runs

    @app.orchestration
    async def parent(ctx: OrchestrationContext) -> int:
        return await ctx.call_activity(work)

    async with Environment(app, store=store, telemetry=telemetry, patience=0.01) as env:
        await env.client.start_new(parent, instance_id="parent")
        await env.settle()
        await env.crash()
        assert await env.client.instance("parent").result() == 2
    served = "          activity:work SERVER\n"
    assert tree().endswith("        activity:work CLIENT\n" + served * 2)


async def test_a_clock_set_back_makes_no_negative_span(
    telemetry: Telemetry, named: Named, store: Store
) -> None:
    app = make_app(Mood())
    async with Environment(app, store=store, telemetry=telemetry) as env:
        await env.client.start_new("child", instance_id="child")
        await env.settle()
        before = env.now - timedelta(days=1)
    async with Environment(app, store=store, telemetry=telemetry, start=before) as env:
        await env.client.raise_event("child", "go")
        assert await env.client.instance("child").result() == 2
    (whole,) = named("orchestration:child SERVER")
    assert whole.start_time == whole.end_time


async def test_a_later_telemetry_goes_on_with_the_trace(
    provider: TracerProvider, tree: Tree, store: Store
) -> None:
    """A runtime without telemetry in between loses what is over there, and nothing else."""
    app = make_app(Mood())
    async with Environment(app, store=store, telemetry=Telemetry(provider)) as env:
        await env.client.start_new("parent", instance_id="parent")
        await env.settle()
        later = env.now + timedelta(seconds=1)
    async with Environment(app, store=store, start=later) as env:
        await env.settle()
        later = env.now + timedelta(seconds=1)
    telemetry = Telemetry(provider)
    async with Environment(app, store=store, telemetry=telemetry, start=later) as env:
        await env.client.raise_event("child", "go")
        assert await env.client.instance("parent").result() == 2
    assert tree() == WHOLE
