"""Each app of examples/functions, copied and run as its user would."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio.lowlevel
import httpx

from perdure.actors.moments import micros
from perdure.runtime.host import Seams
from perdure.testing import VirtualClock

Hosting = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Example = Callable[[str], Path]


async def ended(http: httpx.AsyncClient, started: httpx.Response) -> dict[str, Any]:
    """The status of what a check-status response leads to, once it has ended."""
    assert started.status_code == 202, started.text
    link = started.json()["statusQueryGetUri"]
    while (answer := await http.get(link)).status_code == 202:
        await anyio.lowlevel.checkpoint()
    assert answer.status_code == 200
    status: dict[str, Any] = answer.json()
    return status


async def pause(http: httpx.AsyncClient, started: httpx.Response, clock: VirtualClock) -> str:
    """Wait until it waits for a timer, let time pass until then, and give its custom status."""
    link = started.json()["statusQueryGetUri"]
    while True:
        status = (await http.get(link, params={"show": "waitingFor"})).json()
        for waiting in status["waitingFor"]:
            due = datetime.fromisoformat(waiting.get("due", "1970-01-01T00:00:00Z"))
            if due > clock.time:
                clock.advance_to(micros(due + timedelta(seconds=1)))
                return str(status["customStatus"])


async def test_the_hello_app_greets_three_cities(hosting: Hosting, example: Example) -> None:
    async with hosting(example("hello")) as http:
        started = await http.get("/api/orchestrators/hello_orchestrator")
        assert started.headers["Location"] == started.json()["statusQueryGetUri"]
        status = await ended(http, started)
    assert status["output"] == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
    assert status["runtimeStatus"] == "Completed"


async def test_the_hello_app_counts_over_the_api(hosting: Hosting, example: Example) -> None:
    async with hosting(example("hello")) as http:
        counter = "/runtime/webhooks/durabletask/entities/counter/visits"
        for _ in range(3):
            assert (await http.post(f"{counter}?op=add", json=2)).status_code == 202
        while (await http.get(counter)).text != "6":
            await anyio.lowlevel.checkpoint()


async def test_an_order_is_chained_to_a_parcel(hosting: Hosting, example: Example) -> None:
    async with hosting(example("chaining")) as http:
        shipped = await http.post("/api/orders", json={"item": "kite", "amount": 30})
        refused = await http.post("/api/orders", json={"item": "boat", "amount": 3000})
    assert shipped.json() == {"status": "shipped", "parcel": "parcel-kite-receipt-30"}
    assert refused.json() == {"status": "refused", "released": "reservation-boat"}


async def test_words_are_counted_side_by_side(hosting: Hosting, example: Example) -> None:
    async with hosting(example("fan_out")) as http:
        status = await ended(http, await http.get("/api/words/sea"))
    assert status["output"] == {"texts": 3, "words": 19}
    assert status["customStatus"] == "3 texts"


async def test_a_person_grants_leave(hosting: Hosting, example: Example) -> None:
    async with hosting(example("human_interaction")) as http:
        started = await http.post("/api/leave", json={"name": "ada", "days": 3})
        assert (await http.post("/api/leave/ada/maybe")).status_code == 404
        while (await http.post("/api/leave/ada/yes")).status_code == 404:
            await anyio.lowlevel.checkpoint()
        assert (await ended(http, started))["output"] == "granted"
        assert (await http.post("/api/leave/ada/no")).status_code == 404


async def test_without_an_answer_the_boss_decides(
    hosting: Hosting, example: Example, clock: VirtualClock, seams: Seams
) -> None:
    async with hosting(example("human_interaction"), seams=seams) as http:
        started = await http.post("/api/leave", json={"name": "bob", "days": 9})
        assert "manager" in await pause(http, started, clock)
        assert (await ended(http, started))["output"] == "the boss of bob decides"
    assert clock.time >= datetime(2030, 1, 2, 11, 58, tzinfo=UTC)


async def test_a_monitor_of_the_first_model_watches(
    hosting: Hosting, example: Example, clock: VirtualClock, seams: Seams
) -> None:
    async with hosting(example("monitor"), seams=seams) as http:
        watched = await http.post("/watch/jobs/3", json={"looks": 9, "seconds": 60})
        again = await http.post("/watch/jobs/3", json={"looks": 9, "seconds": 60})
        given_up = await http.post("/watch/jobs/8", json={"looks": 1, "seconds": 600})
        assert [await pause(http, watched, clock) for _ in range(2)] == ["running", "running"]
        await pause(http, given_up, clock)
        outputs = [(await ended(http, started))["output"] for started in (watched, given_up)]
    assert again.status_code == 409
    assert outputs == ["job 3 was done at look 3", "job 8 takes too long"]


async def test_a_counter_entity_counts_over_http(hosting: Hosting, example: Example) -> None:
    async with hosting(example("counter")) as http:
        assert (await http.get("/api/counter/steps")).status_code == 404
        for amount in (5, 2):
            await http.post("/api/counter/steps/add", json=amount)
        assert (await http.post("/api/counter/steps/add")).status_code == 202
        doubled = await http.post("/api/counter/steps/double")
        assert doubled.json() == {"before": 8, "after": 16}
        assert (await http.get("/api/counter/steps")).json() == 16


async def test_a_timer_reports_what_sensors_said(
    hosting: Hosting, example: Example, clock: VirtualClock, seams: Seams
) -> None:
    async with hosting(example("aggregator"), seams=seams) as http:
        for sensor, value in (("roof", 4), ("cellar", 9), ("roof", 6), ("cellar", 0)):
            said = await http.post(f"/api/sensors/{sensor}/readings", json={"value": value})
            assert said.status_code == 202
        assert (await http.get("/api/report")).json() is None
        clock.advance_to(clock.now() + 3 * 60_000_000)
        while (report := (await http.get("/api/report")).json()) is None:
            await anyio.lowlevel.checkpoint()
    assert report == {"cellar": {"readings": 2, "sum": 9.0}, "roof": {"readings": 2, "sum": 10.0}}
