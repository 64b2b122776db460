"""Monitor: look again and again, with a history that stays short however long it takes.

`continue_as_new` begins the orchestration anew with other input: nothing piles up.
"""

from datetime import timedelta
from typing import Literal

import anyio
from attrs import evolve, frozen

from perdure import App, OrchestrationContext
from perdure.testing import Environment

app = App("monitor")

Weather = Literal["sun", "rain"]


@frozen
class Watch:
    """What to look for, and how far it is."""

    city: str
    looks_left: int
    interval: timedelta = timedelta(minutes=30)
    looks: int = 0


@app.activity
async def look_outside(city: str) -> Weather:
    """Stands for a weather service; the story below has it replaced."""
    return "sun" if city == "Lisbon" else "rain"


@app.orchestration
async def wait_for_sun(ctx: OrchestrationContext, watch: Watch) -> str:
    """Say when the sun is out, or give up after `looks_left`."""
    weather = await ctx.call_activity(look_outside, watch.city)
    looks = watch.looks + 1
    if weather == "sun":
        return f"sun in {watch.city}, seen at look {looks}"
    if watch.looks_left <= 1:
        return f"no sun in {watch.city} in {looks} looks"
    ctx.set_custom_status(f"rain at {ctx.current_utc_datetime:%H:%M}")
    await anyio.sleep(watch.interval.total_seconds())
    ctx.continue_as_new(evolve(watch, looks=looks, looks_left=watch.looks_left - 1))
    return "goes on"


async def tell() -> None:
    async with Environment(app) as env:
        client = env.client
        print(await (await client.start_new(wait_for_sun, Watch("Lisbon", 3))).result())
        began = env.now
        instance = await client.start_new(wait_for_sun, Watch("Bergen", 200))
        text = await instance.result()
        events = len(await client.get_history(instance.instance_id))
        print(f"{text}, {(env.now - began).days} days, and the history has {events} events")


def main() -> None:
    for backend in ("asyncio", "trio"):
        anyio.run(tell, backend=backend)


if __name__ == "__main__":
    main()
