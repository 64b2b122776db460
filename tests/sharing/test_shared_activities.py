"""Activities that any worker may run: all of them do, and each outcome counts once."""

import threading

import anyio
import pytest

from crew_app import has, id_at
from errand_app import Works, errands, program, threads_of, workers
from perdure import Runtime, Status
from perdure.persistence.postgres_connections import Step
from perdure.persistence.postgres_hub import PostgresHub
from perdure.persistence.records import Hint
from perdure.persistence.store import Store


@pytest.fixture
def works() -> Works:
    """Give a place where slow activities are done."""
    return Works()


async def test_a_fan_out_goes_to_all_workers(hub: str, works: Works) -> None:
    async with workers(hub, *(program(works, name) for name in "abc")) as (first, *_):
        fan = await first.client.start_new("fan", 30, instance_id=id_at(first))
        await works.until_came(30)
        assert works.came.keys() == {"a", "b", "c"}
        assert min(map(len, works.came.values())) >= 3
        works.door.set()
        assert await fan.result(30) == sum(range(30))
        assert works.all_that_came == list(range(30))
        assert errands(hub) == 0


async def test_without_notifications_all_workers_look(
    hub: str, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_: PostgresHub, __: Hint | None = None) -> list[Step]:
        return []

    def nobody(_: PostgresHub) -> None:
        return None

    monkeypatch.setattr(PostgresHub, "telling", nothing)
    monkeypatch.setattr(PostgresHub, "listen", nobody)
    async with workers(hub, program(works, "a"), program(works, "b")) as (first, _):
        fan = await first.client.start_new("fan", 30, instance_id=id_at(first))
        await works.until_came(30)
        assert works.came.keys() == {"a", "b"}
        works.door.set()
        assert await fan.result(30) == sum(range(30))
        assert errands(hub) == 0


async def test_attempts_are_timed_where_they_run(hub: str, works: Works) -> None:
    async with workers(hub, program(works, "a"), program(works, "b")) as (first, _):
        fan = await first.client.start_new("fan", 8, "hasty", instance_id=id_at(first))
        status = await first.client.wait_for_completion(fan.instance_id, timeout=30)
        assert status.runtime_status is Status.FAILED
        assert "took longer than" in str(status.failure_details)
        await works.until_cut_short(8)
        assert works.came.keys() == {"a", "b"}


async def test_one_worker_runs_all_alone(hub: str, works: Works) -> None:
    works.door.set()
    async with workers(hub, program(works, "a")) as (only,):
        fan = await only.client.start_new("fan", 5)
        assert await fan.result(30) == 10
        assert errands(hub) == 0


async def test_who_has_no_room_leaves_it_to_others(hub: str) -> None:
    came: list[str] = []
    door = threading.Event()
    apps = [program(Works(), name) for name in "ab"]
    for app, name in zip(apps, "ab", strict=True):
        threads_of(app, name, came, door)
    async with workers(hub, *apps, activity_threads_max=2) as (first, _):
        fan = await first.client.start_new("fan", 9, "blocking", instance_id=id_at(first))
        with anyio.fail_after(30):
            while len(came) < 4:
                await anyio.lowlevel.checkpoint()
        assert sorted(came) == ["a", "a", "b", "b"]
        (queue,) = await first.client.queues()
        assert (queue.waiting, queue.taken) == (5, 4)
        door.set()
        assert await fan.result(30) == 36


async def test_limits_of_an_activity_hold_at_each_worker(hub: str, works: Works) -> None:
    async with workers(hub, program(works, "a"), program(works, "b")) as (first, _):
        fan = await first.client.start_new("fan", 9, "narrow", instance_id=id_at(first))
        await works.until_came(4)
        assert {name: len(came) for name, came in works.came.items()} == {"a": 2, "b": 2}
        works.door.set()
        assert await fan.result(30) == 36


async def test_what_fails_is_tried_again_anywhere(hub: str, works: Works) -> None:
    async with workers(hub, program(works, "a"), program(works, "b")) as (first, _):
        fan = await first.client.start_new("fan", 3, "frail", instance_id=id_at(first))
        assert await fan.result(30) == 3
        assert len(works.all_that_came) == 6
        assert errands(hub) == 0


async def test_a_retry_elsewhere_waits_for_no_heartbeat(hub: str, works: Works) -> None:
    """Only its back-off is waited for, also by who did not ask for it."""
    rare = hub.replace("heartbeat=0.1", "heartbeat=15")
    without = program(works, "a", activities=False)
    async with workers(rare, without, program(works, "b")) as (first, _):
        instance = await first.client.start_new("insists", instance_id=id_at(first))
        assert await instance.result(10) == 7
        assert works.came == {"b": [7] * 4}


async def test_a_rewound_instance_asks_anew(hub: str, works: Works) -> None:
    async with workers(hub, program(works, "a"), program(works, "b")) as (first, _):
        fan = await first.client.start_new("fan", 1, "frail", instance_id=id_at(first))
        status = await first.client.wait_for_completion(fan.instance_id, timeout=30)
        assert status.runtime_status is Status.FAILED
        assert errands(hub) == 0
        await first.client.rewind(fan.instance_id, "again")
        assert await fan.result(30) == 0
        assert errands(hub) == 0


async def test_termination_reaches_activities_elsewhere(hub: str, works: Works) -> None:
    async with workers(hub, program(works, "a"), program(works, "b")) as (first, _):
        fan = await first.client.start_new("fan", 8, instance_id=id_at(first))
        await works.until_came(8)
        await fan.terminate("enough")
        status = await first.client.wait_for_completion(fan.instance_id, timeout=30)
        assert status.runtime_status is Status.TERMINATED
        assert errands(hub) == 0
        await works.until_cut_short(8)


async def test_what_waits_of_the_terminated_never_runs(hub: str, works: Works) -> None:
    async with workers(hub, program(works, "a"), activities_max=2) as (only,):
        fan = await only.client.start_new("fan", 8)
        await works.until_came(2)
        await fan.terminate("enough")
        await only.client.wait_for_completion(fan.instance_id, timeout=30)
        works.door.set()
        assert await (await only.client.start_new("fan", 2)).result(30) == 1
        assert len(works.all_that_came) == 4


async def test_an_activity_goes_on_when_its_instance_moves(hub: str, works: Works) -> None:
    async with Runtime(program(works, "a"), store=hub) as stays:
        async with Runtime(program(works, "b"), store=hub) as leaves:
            await has(leaves, 16)
            instance_id = id_at(leaves)
            await stays.client.start_new("fan", 8, instance_id=instance_id)
            await works.until_came(8)
            there = list(works.came["a"])
            assert there
            leaves.die()
        await has(stays, 32)
        await works.until_came(8 + 8 - len(there))
        works.door.set()
        assert await stays.client.instance(instance_id, int).result(30) == 28
        assert sorted(works.came["a"]) == list(range(8))
        assert errands(hub) == 0


async def test_a_leaving_worker_ends_what_it_runs(hub: str, works: Works) -> None:
    async with Runtime(program(works, "a"), store=hub) as stays:
        async with Runtime(program(works, "b"), store=hub) as leaves:
            await has(leaves, 16)
            fan = await stays.client.start_new("fan", 8, instance_id=id_at(stays))
            await works.until_came(8)
            assert works.came["b"]
            works.door.set()
        assert await fan.result(30) == 28
        assert works.all_that_came == list(range(8))
        assert errands(hub) == 0


async def test_a_worker_in_a_hurry_gives_back(hub: str, works: Works) -> None:
    async with Runtime(program(works, "a"), store=hub) as stays:
        async with Runtime(program(works, "b"), store=hub, drain_timeout=0) as leaves:
            await has(leaves, 16)
            fan = await stays.client.start_new("fan", 8, instance_id=id_at(stays))
            await works.until_came(8)
            assert works.came["b"]
        assert sorted(works.cut_short) == sorted(works.came["b"])
        await works.until_came(8 + len(works.cut_short))
        works.door.set()
        assert await fan.result(30) == 28
        assert sorted(works.came["a"]) == list(range(8))


async def test_only_who_has_the_code_runs_it(hub: str, works: Works) -> None:
    """The others ask for it by name."""
    works.door.set()
    without = program(works, "a", activities=False)
    async with workers(hub, without, program(works, "b")) as (first, _):
        fan = await first.client.start_new("fan", 5, instance_id=id_at(first))
        assert await fan.result(30) == 10
        assert works.came.keys() == {"b"}


async def test_what_nobody_has_waits_visibly(hub: str, works: Works) -> None:
    async with Runtime(program(works, "a", activities=False), store=hub) as stays:
        async with Runtime(program(works, "b"), store=hub, activities_max=1) as leaves:
            await has(leaves, 16)
            fan = await stays.client.start_new("fan", 3, instance_id=id_at(stays))
            await works.until_came(1)
            (queue,) = await stays.client.queues()
            assert (queue.waiting, queue.taken, len(queue.workers)) == (2, 1, 1)
            leaves.die()
        (queue,) = await stays.client.queues()
        assert (queue.name, queue.waiting, queue.taken, queue.workers) == ("slow", 3, 0, [])
        works.door.set()
        async with Runtime(program(works, "c"), store=hub):
            assert await fan.result(30) == 3
    assert sorted(works.came["c"]) == [0, 1, 2]


async def test_a_name_that_nobody_knows_fails_at_once(hub: str, works: Works) -> None:
    async with workers(hub, program(works, "a"), program(works, "b")) as (first, _):
        fan = await first.client.start_new("fan", 1, "mistyped")
        status = await first.client.wait_for_completion(fan.instance_id, timeout=30)
        assert status.runtime_status is Status.FAILED
        assert "mistyped" in str(status.failure_details)


async def test_one_owner_runs_its_own(store: Store, works: Works) -> None:
    """A file or memory has one owner, so that the option makes no difference."""
    works.door.set()
    async with Runtime(program(works, "a"), store=store) as runtime:
        assert await (await runtime.client.start_new("fan", 4)).result(30) == 6
        assert await runtime.client.queues() == []
