"""Lock requests and withdrawals on their way from entity to entity, and locks left behind."""

import orjson
from attrs import define

from perdure import App, OrchestrationContext
from perdure.actors.entity import Entity
from perdure.actors.history import EntityLockRequested, EntityUnlockSent
from perdure.actors.messages import Message
from perdure.persistence.records import Commit, EntityRow
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("messages")

LOCK_SET = ["@cell@a", "@cell@b", "@cell@c"]


@app.entity
@define
class Cell:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


def request(owner: str) -> EntityLockRequested:
    return EntityLockRequested(1, 1, f"{owner}:1", list(LOCK_SET), 0, owner, f"{owner}-execution")


def withdrawal(owner: str) -> EntityUnlockSent:
    return EntityUnlockSent(1, 2, f"{owner}:1", LOCK_SET[0], owner, list(LOCK_SET))


class Street:
    """Three entities, and the messages between them in the order in which they were sent."""

    def __init__(self) -> None:
        self.entities = {id_: Entity(id_, app, lambda: "id", 100) for id_ in LOCK_SET}
        self.out: dict[str, list[Message]] = {}

    def send(self, message: Message) -> None:
        self.out.setdefault(message.target, []).append(message)

    def deliver(self, target: str) -> None:
        entity = self.entities[target]
        entity.inbox.extend(self.out.pop(target, []))
        for message in entity.step(2).sent:
            self.send(message)

    @property
    def holders(self) -> list[str | None]:
        return [entity.lock.owner if entity.lock else None for entity in self.entities.values()]


def test_withdrawal_never_overtakes_the_request() -> None:
    for delivered_first in range(4):
        street = Street()
        street.send(Message(LOCK_SET[0], request("w")))
        for target in LOCK_SET[:delivered_first]:
            street.deliver(target)
        street.send(Message(LOCK_SET[0], withdrawal("w")))
        for target in LOCK_SET * 2:
            street.deliver(target)
        assert street.holders == [None, None, None]
        assert all(entity.idle for entity in street.entities.values())


def test_withdrawal_takes_a_waiting_request_back() -> None:
    street = Street()
    for owner in ("h", "w", "x"):
        street.send(Message(LOCK_SET[0], request(owner)))
    for target in LOCK_SET:
        street.deliver(target)
    street.send(Message(LOCK_SET[0], withdrawal("w")))
    street.send(Message(LOCK_SET[0], withdrawal("w")))
    street.deliver(LOCK_SET[0])
    assert street.holders == ["h", "h", "h"]
    for target in LOCK_SET:
        street.send(Message(target, EntityUnlockSent(1, 3, "h:1", target, "h")))
    for target in LOCK_SET:
        street.deliver(target)
    assert street.holders == ["x", "x", "x"]


def test_foreign_release_does_not_unlock() -> None:
    street = Street()
    street.send(Message(LOCK_SET[0], request("h")))
    street.deliver(LOCK_SET[0])
    street.send(Message(LOCK_SET[0], EntityUnlockSent(1, 3, "h:2", LOCK_SET[0], "h")))
    street.deliver(LOCK_SET[0])
    assert street.holders == ["h", None, None]


def leave_orphans(store: Store, owner: str) -> None:
    lock = orjson.dumps([f"{owner}:1", owner]).decode()
    rows = {
        "@cell@a": EntityRow("@cell@a", 5, '{"value": 1}', owner, lock),
        "@cell@b": EntityRow("@cell@b", 5, None, owner, lock),
    }
    store.commit(Commit(store.own(), entities={**rows}))
    store.disown()


async def test_cleaning_releases_orphaned_locks(store: Store) -> None:
    leave_orphans(store, "gone")
    async with Environment(app, store=store) as env:
        await env.client.entity(Cell, "a").signal(Cell.add, 5)
        await env.settle()
        assert await env.client.entity(Cell, "a").read() == Cell(1)
        cleaned = await env.client.clean_entity_storage()
        await env.settle()
        assert cleaned.orphaned_locks_released == 2
        assert await env.client.entity(Cell, "a").read() == Cell(6)
        page = await env.client.query_entities(include_transient=True)
        assert [str(found.id) for found in page.entities] == ["@cell@a"]
        assert (await env.client.clean_entity_storage()).orphaned_locks_released == 0


async def test_cleaning_may_leave_locks_alone(store: Store) -> None:
    leave_orphans(store, "gone")
    async with Environment(app, store=store) as env:
        cleaned = await env.client.clean_entity_storage(release_orphaned_locks=False)
        await env.settle()
        assert cleaned.orphaned_locks_released == 0
        found = await env.client.get_entity(env.client.entity(Cell, "a").id)
        assert found is not None
        assert found.locked_by == "gone"


async def test_lock_without_state_has_a_time(store: Store) -> None:
    fresh = App("timed")
    fresh.include(app)

    @fresh.orchestration
    async def holds(ctx: OrchestrationContext) -> None:
        async with ctx.lock_entities(ctx.entity(Cell, "new")):
            await ctx.wait_for_external_event("go")

    async with Environment(fresh, store=store) as env:
        before = env.now
        await env.client.start_new(holds, instance_id="h")
        await env.settle()
        found = await env.client.get_entity(env.client.entity(Cell, "new").id)
        assert found is not None
        assert (found.exists, found.locked_by) == (False, "h")
        assert before < found.last_modified_time < env.now
