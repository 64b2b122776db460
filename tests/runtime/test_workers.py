"""Activities that wait do not hold up those behind them; short ones share a worker."""

import anyio

from perdure import App, OrchestrationContext
from perdure.testing import Environment


async def test_waiting_activities_run_side_by_side() -> None:
    app, together = App(), anyio.Event()
    waiting: list[int] = []

    @app.activity
    async def meet(number: int) -> int:
        waiting.append(number)
        if len(waiting) == 20:
            together.set()
        await together.wait()
        return number

    @app.orchestration
    async def meeting(ctx: OrchestrationContext) -> list[int]:
        return await ctx.task_all([ctx.call_activity(meet, number) for number in range(20)])

    async with Environment(app) as env:
        result = await (await env.client.start_new(meeting)).result()
    assert result == waiting == list(range(20))


async def test_short_activities_share_a_worker() -> None:
    app = App()
    tasks: set[int] = set()

    @app.activity
    async def note(number: int) -> int:
        tasks.add(anyio.get_current_task().id)
        return number

    @app.orchestration
    async def notes(ctx: OrchestrationContext) -> None:
        await ctx.task_all([ctx.call_activity(note, number) for number in range(20)])

    async with Environment(app) as env:
        await (await env.client.start_new(notes)).result()
    assert len(tasks) == 1
