"""What many clients send at a time is posted together, and what is refused is nobody else's."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from traceback import extract_tb
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from perdure import InstanceAlreadyExistsError, RuntimeClosedError, Status, StoreError
from perdure.persistence.contract.rows import instance
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import MessageRow, Start
from perdure.runtime.client.courier import Courier
from perdure.testing.disturbed import DisturbedStore, HeldLane


class Post:
    """A store, the way to it, and what has become of what was posted by whom."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.disturbed = DisturbedStore(self.store)
        self.lane = HeldLane("client")
        self.courier = Courier(self.disturbed.store, self.lane)
        self.errors: dict[str, Exception] = {}
        self.done: list[str] = []

    async def begin(self, name: str, instance_id: str) -> None:
        """Post the start of an instance."""
        start = Start(instance(instance_id, status=Status.PENDING), frozenset())
        await self._told(name, lambda: self.courier.post([MessageRow(0, instance_id, "")], [start]))

    async def send(self, name: str, body: str = "") -> None:
        """Post a message."""
        await self._told(name, lambda: self.courier.post([MessageRow(0, "a", body)]))

    async def _told(self, name: str, post: Callable[[], Awaitable[None]]) -> None:
        try:
            await post()
        except (InstanceAlreadyExistsError, RuntimeClosedError, StoreError, ValueError) as error:
            self.errors[name] = error
        else:
            self.done.append(name)

    async def all_of(self, *sends: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let all of them post while the first post is being written."""
        self.lane.held = True
        async with anyio.create_task_group() as group:
            for send in sends:
                group.start_soon(send)
                await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
            assert len(self.lane) == 1
            self.lane.let_go()

    @property
    def posts(self) -> int:
        """How many transactions there were."""
        return self.disturbed.calls["post"]


async def test_what_waits_is_posted_together() -> None:
    post = Post()
    await post.all_of(*(partial(post.send, str(n)) for n in range(10)))
    assert sorted(post.done) == [str(n) for n in range(10)]
    assert post.posts == 2
    assert len(post.store.inbox(0)) == 10


async def test_a_taken_id_is_in_nobody_elses_way() -> None:
    post = Post()
    await post.begin("before", "taken")
    await post.all_of(
        lambda: post.send("first"),
        lambda: post.begin("one", "one"),
        lambda: post.begin("again", "taken"),
        lambda: post.begin("two", "two"),
    )
    assert sorted(post.done) == ["before", "first", "one", "two"]
    assert isinstance(post.errors["again"], InstanceAlreadyExistsError)


async def test_of_two_that_start_one_id_the_first_wins() -> None:
    post = Post()
    await post.all_of(
        lambda: post.send("first"),
        lambda: post.begin("one", "same"),
        lambda: post.begin("two", "same"),
        lambda: post.begin("other", "other"),
    )
    assert sorted(post.done) == ["first", "one", "other"]
    assert isinstance(post.errors["two"], InstanceAlreadyExistsError)
    assert [row.target for row in post.store.inbox(0)].count("same") == 1


async def test_a_store_that_fails_tells_all() -> None:
    post = Post()

    def fail(method: str, call: int) -> None:
        if method == "post" and call == 2:
            raise StoreError("no disk")

    post.disturbed.before = fail
    await post.all_of(*(partial(post.send, str(n)) for n in range(3)))
    assert (post.done, sorted(post.errors)) == (["0"], ["1", "2"])
    assert post.posts == 2


async def test_what_cannot_be_written_fails_alone() -> None:
    post = Post()
    written = post.store.post

    def refuse(messages: list[MessageRow], starts: list[Start]) -> None:
        if any(message.body == "odd" for message in messages):
            raise ValueError("odd")
        written(messages, starts)

    post.store.post = refuse  # type: ignore[method-assign,assignment]
    await post.all_of(
        lambda: post.send("first"), lambda: post.send("odd", "odd"), lambda: post.send("even")
    )
    assert sorted(post.done) == ["even", "first"]
    assert list(post.errors) == ["odd"]


async def test_leaving_tells_who_waits() -> None:
    post = Post()
    post.lane.held = True
    async with anyio.create_task_group() as group:
        group.start_soon(post.send, "one")
        group.start_soon(post.send, "two")
        await anyio.wait_all_tasks_blocked()
        post.courier.close()
    assert sorted(post.errors) == ["one", "two"]
    post.lane.let_go()
    assert post.posts == 1
    with pytest.raises(RuntimeClosedError):
        await post.courier.post([])


async def test_a_cancelled_sender_holds_nobody_up() -> None:
    post = Post()
    post.lane.held = True
    async with anyio.create_task_group() as others:
        async with anyio.create_task_group() as group:
            group.start_soon(post.send, "gone")
            await anyio.wait_all_tasks_blocked()
            others.start_soon(post.send, "waits")
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        post.lane.let_go()
    assert post.done == ["waits"]
    assert len(post.store.inbox(0)) == 2


async def test_many_taken_ids_cost_few_posts() -> None:
    post = Post()
    for n in range(50):
        await post.begin(f"before {n}", str(n))
    before = post.posts
    await post.all_of(
        lambda: post.send("first"),
        *(partial(post.begin, f"again {n}", str(n)) for n in range(60)),
        *(partial(post.begin, f"third {n}", str(n)) for n in range(60)),
    )
    assert post.posts - before <= 4
    assert sorted(post.errors) == sorted(
        [*(f"again {n}" for n in range(50)), *(f"third {n}" for n in range(60))]
    )
    taken = post.errors["third 7"]
    assert isinstance(taken, InstanceAlreadyExistsError)
    assert (taken.instance_id, taken.status) == ("7", Status.PENDING)


async def test_what_was_in_the_way_and_left_refuses_one() -> None:
    post = Post()
    await post.begin("before", "taken")
    post.store.instances = lambda _: {}  # type: ignore[method-assign,assignment]
    await post.all_of(
        lambda: post.send("first"),
        lambda: post.begin("again", "taken"),
        lambda: post.begin("other", "other"),
    )
    assert (sorted(post.done), list(post.errors)) == (["before", "first", "other"], ["again"])


async def test_large_requests_do_not_travel_together() -> None:
    post = Post()
    large = "x" * 3_000_000
    await post.all_of(
        lambda: post.send("first"),
        *(partial(post.send, str(n), large) for n in range(3)),
        *(partial(post.send, f"small {n}") for n in range(20)),
    )
    assert len(post.done) == 24
    assert post.posts == 4


async def test_hundreds_who_fail_have_short_tracebacks() -> None:
    post = Post()

    def fail(method: str, call: int) -> None:
        if method == "post" and call == 2:
            raise StoreError("no disk")

    post.disturbed.before = fail
    await post.all_of(*(partial(post.send, str(n)) for n in range(100)))
    assert len(post.errors) == 99
    assert max(len(extract_tb(error.__traceback__)) for error in post.errors.values()) < 20
