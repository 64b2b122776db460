"""Timer triggers, under a clock that the test moves."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio.lowlevel
import httpx
import pytest

from perdure.functions import FunctionsError
from perdure.runtime.host import Seams
from perdure.testing import VirtualClock

Hosting = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Written = Callable[..., Path]

APP = """\
import json
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
fired = []

@app.route(route="fired")
def show(req):
    return json.dumps(fired)

@app.timer_trigger(arg_name="timer", schedule="{schedule}", {options})
{retry}
{kind} tick(timer: func.TimerRequest) -> None:
    fired.append([timer.past_due, timer.schedule_status["Last"][:16]])
    if len(fired) in {failing}:
        raise ValueError("not now")
"""


def app(
    schedule: str = "0 0 * * * *",
    options: str = "",
    kind: str = "def",
    retry: str = "",
    failing: str = "()",
) -> str:
    told = {"{schedule}": schedule, "{options}": options, "{kind}": kind}
    code = APP
    for name, text in {**told, "{retry}": retry, "{failing}": failing}.items():
        code = code.replace(name, text)
    return code


async def fired(http: httpx.AsyncClient, count: int) -> list[Any]:
    """What the timer was called with, once that has happened `count` times."""
    while len(calls := (await http.get("/api/fired")).json()) < count:
        await anyio.lowlevel.checkpoint()
    found: list[Any] = calls
    return found


def minutes(clock: VirtualClock, count: float) -> None:
    clock.advance_to(clock.now() + round(count * 60_000_000))


async def asleep(http: httpx.AsyncClient, clock: VirtualClock, due: str) -> None:
    """Wait until the timer waits for `due`."""
    while clock.nearest is None or not await noted(http, due):
        await anyio.lowlevel.checkpoint()


async def noted(http: httpx.AsyncClient, due: str) -> bool:
    await http.get("/api/fired")
    file = anyio.Path(".perdure/timers/tick.json")
    return await file.exists() and json.loads(await file.read_text())["next"].startswith(due)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_timer_fires_on_schedule(
    hosting: Hosting, written: Written, clock: VirtualClock, seams: Seams, kind: str
) -> None:
    async with hosting(written(app(kind=kind)), seams=seams) as http:
        await asleep(http, clock, "2030-01-01T12:00")
        assert await fired(http, 0) == []
        minutes(clock, 3)
        assert await fired(http, 1) == [[False, "0001-01-01T00:00"]]
        await asleep(http, clock, "2030-01-01T13:00")
        minutes(clock, 60)
        assert (await fired(http, 2))[1] == [False, "2030-01-01T12:01"]


async def test_a_timer_can_fire_at_the_start(
    hosting: Hosting, written: Written, seams: Seams
) -> None:
    async with hosting(written(app(options="run_on_startup=True")), seams=seams) as http:
        assert await fired(http, 1) == [[False, "0001-01-01T00:00"]]


async def test_what_was_missed_is_made_up_for(
    hosting: Hosting, written: Written, clock: VirtualClock, seams: Seams
) -> None:
    folder = written(app())
    async with hosting(folder, seams=seams) as http:
        await asleep(http, clock, "2030-01-01T12:00")
    minutes(clock, 600)
    async with hosting(folder, seams=seams) as http:
        assert await fired(http, 1) == [[True, "0001-01-01T00:00"]]


async def test_without_a_monitor_nothing_is_made_up_for(
    hosting: Hosting, written: Written, clock: VirtualClock, seams: Seams
) -> None:
    folder = written(app(options="use_monitor=False"))
    async with hosting(folder, seams=seams) as http:
        assert await fired(http, 0) == []
    assert not (folder / ".perdure" / "timers").exists()


async def test_an_interval_goes_on_after_a_restart(
    hosting: Hosting, written: Written, clock: VirtualClock, seams: Seams
) -> None:
    folder = written(app("02:00:00"))
    async with hosting(folder, seams=seams) as http:
        await asleep(http, clock, "2030-01-01T13:58")
    minutes(clock, 90)
    async with hosting(folder, seams=seams) as http:
        await asleep(http, clock, "2030-01-01T13:58")
        minutes(clock, 31)
        assert await fired(http, 1) == [[False, "0001-01-01T00:00"]]


async def test_a_failed_call_is_made_again(
    hosting: Hosting, written: Written, clock: VirtualClock, seams: Seams
) -> None:
    retry = '@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:10")'
    code = app(retry=retry, failing="(1, 2, 3, 4)", options="run_on_startup=True")
    async with hosting(written(code), seams=seams) as http:
        for calls in (1, 2, 3):
            assert len(await fired(http, calls)) == calls
            minutes(clock, 0.2)
        await asleep(http, clock, "2030-01-01T12:00")
        assert len(await fired(http, 3)) == 3


@pytest.mark.parametrize(
    ("schedule", "values", "problem"),
    [
        ("every day", {}, "the timer tick: 'every day' is no schedule"),
        ("%WHEN%", {}, "the schedule of tick.*'WHEN'"),
        ("%WHEN%", {"WHEN": "0 61 * * * *"}, "'61' in the schedule"),
        ("0 0 * * * *", {"WEBSITE_TIME_ZONE": "Moon/Crater"}, "no time zone"),
    ],
)
async def test_a_wrong_timer_is_named(
    hosting: Hosting, written: Written, schedule: str, values: dict[str, str], problem: str
) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(FunctionsError, match=problem)):
        async with hosting(written(app(schedule), values=values)):
            pass
