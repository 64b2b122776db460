"""A client elsewhere foresees what the owner is about to do, also while the owner does it."""

import pytest

from perdure import App, Client, InstanceStateError, Status
from perdure.actors.history import ExecutionRewound, ExecutionSuspended, ExecutionTerminated
from perdure.actors.wire import write_event
from perdure.persistence.contract.rows import Owner, instance
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import MessageRow
from perdure.testing.disturbed import DisturbedStore

app = App("foreseeing")


@pytest.fixture(params=["posted", "instances"])
def ending(request: pytest.FixtureRequest) -> DisturbedStore:
    """Give a store whose owner takes a termination between any two reads of a client."""
    store = MemoryStore()
    owner = Owner(store)
    owner.keep(instance("a"))
    store.post([MessageRow(0, "a", write_event(ExecutionTerminated(1)))])
    (waiting,) = store.inbox(0)
    disturbed = DisturbedStore(store)

    def take(method: str, _: int) -> None:
        if method == request.param and store.inbox(0):
            ended = instance("a", status=Status.TERMINATED, completed=20)
            owner.commit(instances={"a": ended}, consumed=[waiting.position])

    disturbed.after = take
    return disturbed


async def test_a_termination_taken_meanwhile_is_seen(ending: DisturbedStore) -> None:
    async with Client(ending.store, app) as client:
        assert await client.gateway.foresee("a") is Status.TERMINATED


async def test_what_ends_meanwhile_takes_no_events(ending: DisturbedStore) -> None:
    async with Client(ending.store, app) as client:
        with pytest.raises(InstanceStateError, match="it is Terminated"):
            await client.raise_event("a", "go")


async def test_what_ends_meanwhile_can_be_replaced(ending: DisturbedStore) -> None:
    async with Client(ending.store, app) as client:
        await client.start_new("waits", instance_id="a")
        found = ending.store.instance("a")
    assert found is not None
    assert found.status is Status.PENDING


@pytest.fixture
def rewinding() -> DisturbedStore:
    """Give a store whose owner takes a rewind, and more, once a client has looked."""
    store = MemoryStore()
    owner = Owner(store)
    owner.keep(instance("a", status=Status.FAILED, completed=20))
    events = ExecutionRewound(30, "again"), ExecutionSuspended(31)
    store.post([MessageRow(0, "a", write_event(event)) for event in events])
    disturbed = DisturbedStore(store)

    def take(method: str, _: int) -> None:
        if method == "posted" and store.inbox(0):
            waiting = [row.position for row in store.inbox(0)]
            ended = instance("a", status=Status.COMPLETED, completed=40)
            owner.commit(instances={"a": ended}, consumed=waiting)

    disturbed.after = take
    return disturbed


async def test_a_rewind_on_its_way_hides_the_failure(rewinding: DisturbedStore) -> None:
    async with Client(rewinding.store, app) as client:
        found = await client.wait_for_completion("a")
    assert found.runtime_status is Status.COMPLETED


async def test_a_follower_goes_on_after_a_rewind(rewinding: DisturbedStore) -> None:
    async with Client(rewinding.store, app) as client:
        seen = [progress.status.runtime_status async for progress in client.follow("a")]
    assert seen[-1] is Status.COMPLETED
