# ruff: noqa: ASYNC100, ASYNC110, ASYNC115 - such scopes and waits are what is under test
"""What fibers wait for: anyio's primitives, tasks and who owns them, and the end of all fibers."""

import gc
from collections.abc import Callable, Generator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream
from attrs import define, field

from perdure.actors.anyio_backend import entered
from perdure.actors.errors import Cancelled, NotDurableError, TaskCancelledError
from perdure.actors.kernel import Alarm, Fiber, Kernel
from perdure.actors.tasks import Task, task_all, task_any


@define(eq=False)
class Bench:
    """A kernel without a clock, and what was said in passing."""

    said: list[object] = field(factory=list[object])
    error: BaseException | None = None
    kernel: Kernel = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.kernel = Kernel(self)

    def seconds(self) -> float:
        return 0.0

    def set_alarm(self, deadline: float, ring: Callable[[], None]) -> Alarm:
        raise NotImplementedError

    def ended(self, _: Fiber, value: Any, error: BaseException | None) -> None:
        self.said.append(value)
        self.error = error

    def begin(self, main: Callable[[], Any]) -> None:
        self.do(lambda: self.kernel.spawn(main(), "main", self.ended))

    def do(self, act: Callable[[], object]) -> None:
        """Let something happen from outside, as an event does."""
        with entered(self.kernel):
            act()
            self.kernel.run()
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        with entered(self.kernel):
            self.kernel.close()

    def task(self, name: str) -> Task[Any]:
        """Work that somebody else does; being called off is said."""
        return Task(self.kernel, name, call_off=lambda: self.said.append(f"{name} off"))


@pytest.fixture
def bench() -> Bench:
    return Bench()


# Primitives


def test_fibers_take_turns_in_order(bench: Bench) -> None:
    async def talk(word: str) -> None:
        for number in range(2):
            bench.said.append(f"{word}{number}")
            await anyio.lowlevel.checkpoint()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for word in "abc":
                group.start_soon(talk, word)

    bench.begin(main)
    assert bench.said == ["a0", "b0", "c0", "a1", "b1", "c1", None]


def test_an_event_wakes_all_in_order(bench: Bench) -> None:
    async def wait(event: anyio.Event, word: str) -> None:
        await event.wait()
        bench.said.append(word)

    async def main() -> None:
        event = anyio.Event()
        async with anyio.create_task_group() as group:
            for word in "abc":
                group.start_soon(wait, event, word)
            await anyio.lowlevel.checkpoint()
            bench.said.append(event.statistics().tasks_waiting)
            assert not event.is_set()
            event.set()
        await event.wait()

    bench.begin(main)
    assert bench.said == [3, "a", "b", "c", None]


def test_a_lock_is_handed_over_in_order(bench: Bench) -> None:
    async def hold(lock: anyio.Lock, word: str) -> None:
        async with lock:
            bench.said.append(word)
            await anyio.lowlevel.checkpoint()
            assert lock.statistics().owner is not None

    async def main() -> bool:
        lock = anyio.Lock()
        async with anyio.create_task_group() as group:
            for word in "abc":
                group.start_soon(hold, lock, word)
            await anyio.lowlevel.checkpoint()
            with pytest.raises(anyio.WouldBlock):
                lock.acquire_nowait()
            with pytest.raises(RuntimeError):
                lock.release()
        return lock.locked()

    bench.begin(main)
    assert bench.said == ["a", "b", "c", False]


def test_a_cancelled_waiter_leaves_the_queue(bench: Bench) -> None:
    async def hold(lock: anyio.Lock, word: str, scope: anyio.CancelScope) -> None:
        with scope:
            async with lock:
                bench.said.append(word)
                await anyio.lowlevel.checkpoint()

    async def main() -> None:
        lock, gone = anyio.Lock(), anyio.CancelScope()
        async with anyio.create_task_group() as group:
            group.start_soon(hold, lock, "a", anyio.CancelScope())
            group.start_soon(hold, lock, "b", gone)
            group.start_soon(hold, lock, "c", anyio.CancelScope())
            await anyio.lowlevel.checkpoint()
            gone.cancel()
            bench.said.append(lock.statistics().tasks_waiting)

    bench.begin(main)
    assert bench.said == ["a", 1, "c", None]


def test_a_lock_refuses_its_own_holder(bench: Bench) -> None:
    async def main() -> None:
        lock = anyio.Lock()
        async with lock:
            with pytest.raises(RuntimeError):
                await lock.acquire()
            with pytest.raises(RuntimeError):
                lock.acquire_nowait()

    bench.begin(main)


def test_a_semaphore_lets_so_many_in(bench: Bench) -> None:
    inside, most = 0, 0

    async def enter(semaphore: anyio.Semaphore) -> None:
        nonlocal inside, most
        async with semaphore:
            inside += 1
            most = max(most, inside)
            await anyio.lowlevel.checkpoint()
            inside -= 1

    async def main() -> tuple[int, int]:
        semaphore = anyio.Semaphore(2, max_value=2)
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(enter, semaphore)
            await anyio.lowlevel.checkpoint()
            with pytest.raises(anyio.WouldBlock):
                semaphore.acquire_nowait()
        with pytest.raises(ValueError, match="too many times"):
            semaphore.release()
        return semaphore.value, most

    bench.begin(main)
    assert bench.said == [(2, 2)]


def test_a_condition_wakes_as_many_as_told(bench: Bench) -> None:
    async def wait(condition: anyio.Condition, word: str) -> None:
        async with condition:
            await condition.wait()
            bench.said.append(word)

    async def main() -> None:
        condition = anyio.Condition()
        async with anyio.create_task_group() as group:
            for word in "abc":
                group.start_soon(wait, condition, word)
            await anyio.lowlevel.checkpoint()
            async with condition:
                condition.notify(2)
            for _ in range(9):
                await anyio.lowlevel.checkpoint()
            bench.said.append("then")
            async with condition:
                condition.notify_all()

    bench.begin(main)
    assert bench.said == ["a", "b", "then", "c", None]


def test_memory_streams_carry_between_fibers(bench: Bench) -> None:
    async def consume(stream: MemoryObjectReceiveStream[int]) -> None:
        async with stream:
            async for item in stream:
                bench.said.append(item)

    async def main() -> None:
        sending, receiving = anyio.create_memory_object_stream[int](1)
        async with anyio.create_task_group() as group, sending:
            group.start_soon(consume, receiving)
            for item in range(4):
                await sending.send(item)

    bench.begin(main)
    assert bench.said == [0, 1, 2, 3, None]


def test_fibers_can_be_told_apart(bench: Bench) -> None:
    async def child(parent: int) -> None:
        info = anyio.get_current_task()
        bench.said.append((info.name, info.parent_id == parent))
        bench.said.append(len(anyio.get_running_tasks()))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child, anyio.get_current_task().id, name="kid")

    bench.begin(main)
    assert bench.said == [("kid", True), 2, None]


def test_passing_on_for_ever_is_refused(bench: Bench) -> None:
    async def poll() -> None:
        while True:
            await anyio.sleep(0)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(poll)
            await poll()

    with pytest.raises(ExceptionGroup) as refused:
        bench.begin(main)
    assert "sleep for longer than zero" in str(refused.value.exceptions[0])


def test_what_the_kernel_did_not_make_is_refused(bench: Bench) -> None:
    class Foreign:
        def __await__(self) -> Generator[object, None, None]:
            yield self

    async def main() -> None:
        with pytest.raises(NotDurableError, match="Foreign"):
            await Foreign()

    bench.begin(main)


# Tasks and the scopes that own them


def test_a_task_is_awaited_any_number_of_times(bench: Bench) -> None:
    tasks: list[Task[Any]] = []

    async def wait() -> None:
        bench.said.append(await tasks[0])

    async def main() -> Any:
        tasks.append(bench.task("work"))
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            group.start_soon(wait)
        return await tasks[0]

    bench.begin(main)
    assert bench.said == []
    bench.do(lambda: tasks[0].resolve(7))
    assert bench.said == [7, 7, 7]


def test_cancelling_a_scope_calls_its_work_off(bench: Bench) -> None:
    async def main() -> str:
        before, mine = bench.task("before"), list[Task[Any]]()
        with anyio.CancelScope() as scope:
            mine.append(bench.task("mine"))
            with anyio.CancelScope():
                bench.task("inner")
            with anyio.CancelScope(shield=True):
                bench.task("shielded")
                scope.cancel()
                bench.said.append("cancelled")
        assert mine[0].cancelled
        with pytest.raises(TaskCancelledError):
            await mine[0]
        return before.state

    bench.begin(main)
    assert bench.said == ["mine off", "inner off", "cancelled", "pending"]


def test_leaving_a_scope_hands_its_work_over(bench: Bench) -> None:
    async def main() -> bool:
        tasks: list[Task[Any]] = []
        with anyio.CancelScope() as outer:
            with anyio.CancelScope():
                tasks.append(bench.task("work"))
            assert not tasks[0].done
            outer.cancel()
        with anyio.CancelScope() as scope:
            with anyio.CancelScope():
                tasks.append(bench.task("kept"))
        scope.cancel()
        return tasks[1].done

    bench.begin(main)
    assert bench.said == ["work off", False]


def test_work_of_a_child_passes_to_its_group(bench: Bench) -> None:
    async def ask() -> None:
        bench.task("work")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            bench.said.append("asked")
            group.cancel_scope.cancel()

    bench.begin(main)
    assert bench.said == ["asked", "work off", None]


def test_work_from_outside_survives_its_waiter(bench: Bench) -> None:
    tasks: list[Task[Any]] = []

    async def main() -> Any:
        tasks.append(bench.task("work"))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await tasks[0]
        assert scope.cancelled_caught
        return await tasks[0]

    bench.begin(main)
    assert bench.said == []
    bench.do(lambda: tasks[0].resolve("kept"))
    assert bench.said == ["kept"]


def test_work_asked_for_after_cancellation_is_called_off(bench: Bench) -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await anyio.sleep_forever()
            finally:
                await bench.task("late")

    bench.begin(main)
    assert bench.said == ["late off", None]


def test_a_race_takes_the_first_and_keeps_the_rest(bench: Bench) -> None:
    tasks: list[Task[Any]] = []

    async def main() -> Any:
        tasks.extend(bench.task(name) for name in "ab")
        everything = task_all(bench.kernel, [*tasks, tasks[0], task_all(bench.kernel, [])])
        winner = await task_any(bench.kernel, [tasks[0], tasks[1], tasks[1]])
        bench.said.append(winner is tasks[1])
        return await everything

    bench.begin(main)
    bench.do(lambda: tasks[1].resolve("second"))
    assert bench.said == [True]
    bench.do(lambda: tasks[0].resolve("first"))
    assert bench.said == [True, ["first", "second", "first", []]]


def test_all_waits_for_all_and_raises_the_first(bench: Bench) -> None:
    tasks: list[Task[Any]] = []

    async def main() -> None:
        tasks.extend(bench.task(name) for name in "abc")
        with pytest.raises(KeyError, match="c"):
            await task_all(bench.kernel, tasks)
        bench.said.append([task.state for task in tasks])

    bench.begin(main)
    bench.do(lambda: tasks[2].fail(KeyError("c")))
    bench.do(lambda: tasks[0].fail(KeyError("a")))
    assert bench.said == []
    bench.do(lambda: tasks[1].resolve(1))
    assert bench.said == [["failed", "done", "failed"], None]


# The end


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_closing_runs_finally_blocks_once(bench: Bench, depth: int) -> None:
    async def child(level: int) -> None:
        try:
            async with anyio.create_task_group() as group:
                for _ in range(2 if level else 0):
                    group.start_soon(child, level - 1)
                await anyio.sleep_forever()
        finally:
            bench.said.append(level)

    bench.begin(lambda: child(depth))
    bench.close()
    assert sorted(map(str, bench.said)) == sorted(
        str(level) for level in range(depth + 1) for _ in range(2 ** (depth - level))
    )
    gc.collect()
    assert bench.kernel.fibers == []


def test_waiting_in_finally_cannot_stop_the_end(bench: Bench) -> None:
    async def stubborn() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await anyio.Event().wait()
                finally:
                    await anyio.lowlevel.checkpoint()
            bench.said.append("never")

    bench.begin(stubborn)
    bench.close()
    gc.collect()
    assert bench.said == []


def test_what_is_begun_while_closing_never_runs(bench: Bench) -> None:
    async def late() -> None:
        bench.said.append("late")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            try:
                await anyio.sleep_forever()
            finally:
                group.start_soon(late)
                bench.said.append("asked")

    bench.begin(main)
    bench.close()
    gc.collect()
    assert bench.said == ["asked"]


def test_closing_is_no_cancellation(bench: Bench) -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:
            try:
                await anyio.sleep_forever()
            except Cancelled:
                bench.said.append("cancelled")
            finally:
                scope.cancel()
                bench.said.append(bench.task("late").done)

    bench.begin(main)
    bench.close()
    assert bench.said == [False]


def test_nothing_durable_is_made_outside(bench: Bench) -> None:
    kept: list[anyio.Event] = []

    async def main() -> None:
        kept.append(anyio.Event())
        await kept[0].wait()

    bench.begin(main)
    with pytest.raises(NotDurableError):
        kept[0].set()
    with pytest.raises(NotDurableError):
        bench.task("outside")
    with entered(Bench().kernel), pytest.raises(NotDurableError, match="another orchestration"):
        kept[0].set()
    bench.close()
