"""Which spans an orchestration leaves, and which of them is a part of which."""

from collections.abc import Callable
from datetime import timedelta

import anyio

from perdure import App, OrchestrationContext, RetryPolicy, TaskFailedError
from perdure.telemetry import Telemetry
from perdure.testing import Environment

Tree = Callable[[], str]


async def hello(name: str) -> str:
    return f"hello {name}"


async def fails(name: str) -> str:
    raise ValueError(name)


def make_app() -> App:
    app = App("trees")
    app.activity(hello)
    app.activity(fails)
    return app


async def test_a_chain_is_one_tree(telemetry: Telemetry, tree: Tree) -> None:
    app = make_app()

    @app.orchestration
    async def chain(ctx: OrchestrationContext) -> str:
        first = await ctx.call_activity(hello, "a")
        return await ctx.call_activity(hello, first)

    async with Environment(app, telemetry=telemetry) as env:
        await (await env.client.start_new(chain)).result()
    assert (
        tree()
        == """
    create_orchestration:chain PRODUCER
      orchestration:chain SERVER
        activity:hello CLIENT
          activity:hello SERVER
        activity:hello CLIENT
          activity:hello SERVER
"""
    )


async def test_a_fan_out_has_all_branches(telemetry: Telemetry, tree: Tree) -> None:
    app = make_app()

    @app.orchestration
    async def fan_out(ctx: OrchestrationContext) -> list[str]:
        return await ctx.task_all([ctx.call_activity(hello, name) for name in "abc"])

    async with Environment(app, telemetry=telemetry) as env:
        await (await env.client.start_new(fan_out)).result()
    branch = "        activity:hello CLIENT\n          activity:hello SERVER\n"
    root = "\n    create_orchestration:fan_out PRODUCER\n      orchestration:fan_out SERVER\n"
    assert tree() == root + branch * 3


async def test_versions_are_part_of_the_names(telemetry: Telemetry, tree: Tree) -> None:
    app = make_app()

    @app.orchestration(version="1.5")
    async def versioned(ctx: OrchestrationContext) -> str:
        return await ctx.call_activity(hello, "a")

    async with Environment(app, telemetry=telemetry) as env:
        await (await env.client.start_new(versioned)).result()
    assert (
        tree()
        == """
    create_orchestration:versioned@(1.5) PRODUCER
      orchestration:versioned@(1.5) SERVER
        activity:hello@(1.5) CLIENT
          activity:hello@(1.5) SERVER
"""
    )


async def test_a_child_is_a_part_of_its_parent(telemetry: Telemetry, tree: Tree) -> None:
    app = make_app()

    @app.orchestration
    async def child(ctx: OrchestrationContext) -> str:
        return await ctx.call_activity(hello, "child")

    @app.orchestration
    async def parent(ctx: OrchestrationContext) -> str:
        ctx.start_new(child, instance_id="on its own")
        return await ctx.call_sub_orchestrator(child)

    async with Environment(app, telemetry=telemetry) as env:
        await (await env.client.start_new(parent)).result()
        await env.client.wait_for_completion("on its own")
    assert (
        tree()
        == """
    create_orchestration:parent PRODUCER
      orchestration:parent SERVER
        create_orchestration:child PRODUCER
          orchestration:child SERVER
            activity:hello CLIENT
              activity:hello SERVER
        orchestration:child CLIENT
          orchestration:child SERVER
            activity:hello CLIENT
              activity:hello SERVER
"""
    )


async def test_each_attempt_is_a_span(telemetry: Telemetry, tree: Tree) -> None:
    app = make_app()
    policy = RetryPolicy(max_attempts=2, first_interval=timedelta(hours=1))

    @app.orchestration
    async def stubborn(ctx: OrchestrationContext) -> str:
        return await ctx.call_activity(fails, "a", retry=policy)

    async with Environment(app, telemetry=telemetry) as env:
        instance = await env.client.start_new(stubborn)
        await env.client.wait_for_completion(instance.instance_id)
    assert (
        tree()
        == """
    create_orchestration:stubborn PRODUCER
      orchestration:stubborn SERVER !
        activity:fails CLIENT !
          activity:fails SERVER !
        activity:fails CLIENT !
          activity:fails SERVER !
"""
    )


async def test_a_failed_child_fails_its_spans(telemetry: Telemetry, tree: Tree) -> None:
    app = make_app()

    @app.orchestration
    async def child(ctx: OrchestrationContext) -> None:
        raise ValueError("child")

    @app.orchestration
    async def parent(ctx: OrchestrationContext) -> str:
        try:
            await ctx.call_sub_orchestrator(child)
        except TaskFailedError:
            return "caught"
        return "not caught"

    async with Environment(app, telemetry=telemetry) as env:
        await (await env.client.start_new(parent)).result()
    assert (
        tree()
        == """
    create_orchestration:parent PRODUCER
      orchestration:parent SERVER
        orchestration:child CLIENT !
          orchestration:child SERVER !
"""
    )


async def test_timers_that_fire_are_spans(telemetry: Telemetry, tree: Tree) -> None:
    app = make_app()

    @app.orchestration
    async def patient(ctx: OrchestrationContext) -> None:
        await ctx.create_timer(timedelta(days=1))
        with anyio.move_on_after(3600):
            await ctx.call_activity(hello, "in time")

    async with Environment(app, telemetry=telemetry) as env:
        await (await env.client.start_new(patient)).result()
    assert (
        tree()
        == """
    create_orchestration:patient PRODUCER
      orchestration:patient SERVER
        orchestration:patient:timer INTERNAL
        activity:hello CLIENT
          activity:hello SERVER
"""
    )


async def test_events_leave_a_span_where_raised(telemetry: Telemetry, tree: Tree) -> None:
    app = make_app()

    @app.orchestration
    async def waits(ctx: OrchestrationContext) -> None:
        await ctx.wait_for_external_event("one")
        await ctx.wait_for_external_event("two")

    @app.orchestration
    async def tells(ctx: OrchestrationContext) -> None:
        ctx.send_event("waits", "two")

    async with Environment(app, telemetry=telemetry) as env:
        instance = await env.client.start_new(waits, instance_id="waits")
        await instance.raise_event("one")
        await (await env.client.start_new(tells)).result()
        await instance.result()
    assert (
        tree()
        == """
    create_orchestration:waits PRODUCER
      orchestration:waits SERVER
    orchestration_event:one PRODUCER
    create_orchestration:tells PRODUCER
      orchestration:tells SERVER
        orchestration_event:two PRODUCER
"""
    )


async def test_new_executions_are_beside_each_other(telemetry: Telemetry, tree: Tree) -> None:
    app = make_app()

    @app.orchestration
    async def rounds(ctx: OrchestrationContext, left: int) -> None:
        await ctx.call_activity(hello, "again")
        if left:
            ctx.continue_as_new(left - 1)

    async with Environment(app, telemetry=telemetry) as env:
        await (await env.client.start_new(rounds, 1)).result()
    each = """\
      orchestration:rounds SERVER
        activity:hello CLIENT
          activity:hello SERVER
"""
    assert tree() == "\n    create_orchestration:rounds PRODUCER\n" + each * 2


async def test_what_is_given_up_is_told_too(telemetry: Telemetry, tree: Tree) -> None:
    app = make_app()

    @app.activity
    async def hangs() -> None:
        await anyio.sleep_forever()

    @app.orchestration
    async def races(ctx: OrchestrationContext) -> None:
        with anyio.move_on_after(60):
            await ctx.call_activity(hangs)
        ctx.call_activity(hangs)
        await ctx.create_timer(60)

    async with Environment(app, telemetry=telemetry, patience=0.01) as env:
        await (await env.client.start_new(races)).result()
        await env.settle()
    first, second = tree().split("orchestration:races:timer INTERNAL\n", 1)
    assert first.count("activity:hangs CLIENT\n          activity:hangs SERVER\n") == 1
    assert "activity:hangs CLIENT\n" in second


async def test_termination_ends_what_is_open(telemetry: Telemetry, tree: Tree) -> None:
    app = make_app()

    @app.orchestration
    async def child(ctx: OrchestrationContext) -> None:
        await ctx.wait_for_external_event("never")

    @app.orchestration
    async def parent(ctx: OrchestrationContext) -> None:
        await ctx.task_all([ctx.call_sub_orchestrator(child), ctx.create_timer(60)])

    async with Environment(app, telemetry=telemetry, auto_advance=False) as env:
        instance = await env.client.start_new(parent)
        await env.settle()
        await instance.terminate("enough", recursive=True)
        await env.settle()
    assert (
        tree()
        == """
    create_orchestration:parent PRODUCER
      orchestration:parent SERVER
        orchestration:child CLIENT
          orchestration:child SERVER
"""
    )
