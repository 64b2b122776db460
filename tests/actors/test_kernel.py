# ruff: noqa: ASYNC100 - some scopes are cancelled without a wait
"""The kernel under anyio's words: scopes, groups, primitives, and how all of it ends."""

import math
from collections.abc import Callable
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest
from attrs import define, field

from perdure.actors.anyio_backend import entered
from perdure.actors.errors import Cancelled
from perdure.actors.kernel import Fiber, Kernel

START = 1000.0


@define(eq=False)
class Ring:
    """An alarm of the stage's clock."""

    deadline: float
    ring: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@define(eq=False)
class Stage:
    """A kernel, a clock that jumps from alarm to alarm, and what was said in passing."""

    now: float = START
    alarms: list[Ring] = field(factory=list[Ring])
    said: list[object] = field(factory=list[object])
    kernel: Kernel = field(init=False)
    ends: list[tuple[Any, BaseException | None]] = field(
        factory=list[tuple[Any, BaseException | None]]
    )

    def __attrs_post_init__(self) -> None:
        self.kernel = Kernel(self)

    def seconds(self) -> float:
        return self.now

    def set_alarm(self, deadline: float, ring: Callable[[], None]) -> Ring:
        alarm = Ring(deadline, ring)
        self.alarms.append(alarm)
        return alarm

    @property
    def pending(self) -> list[Ring]:
        return [alarm for alarm in self.alarms if not alarm.cancelled]

    def ended(self, _: Fiber, value: Any, error: BaseException | None) -> None:
        self.ends.append((value, error))

    def begin(self, main: Callable[[], Any]) -> None:
        with entered(self.kernel):
            self.kernel.spawn(main(), "main", self.ended)
            self.kernel.run()

    def pass_time(self) -> None:
        """Ring the nearest alarm."""
        alarm = min(self.pending, key=lambda alarm: alarm.deadline)
        alarm.cancelled, self.now = True, max(self.now, alarm.deadline)
        with entered(self.kernel):
            alarm.ring()
            self.kernel.run()

    def do(self, act: Callable[[], object]) -> None:
        """Let something happen from outside, as an event does."""
        with entered(self.kernel):
            act()
            self.kernel.run()

    def play(self, main: Callable[[], Any]) -> Any:
        """Run to the end; gives the value and how much time has passed, or raises."""
        self.begin(main)
        while not self.ends and self.pending:
            self.pass_time()
        assert self.ends, "it waits for ever"
        value, error = self.ends[0]
        if error is not None:
            raise error
        return value, self.now - START


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def say_after(stage: Stage, seconds: float, word: str) -> str:
    try:
        await anyio.sleep(seconds)
    except BaseException:
        stage.said.append(f"{word} cancelled")
        raise
    stage.said.append(word)
    return word


# Scopes and deadlines


def test_deadline_interrupts_what_waits_inside(stage: Stage) -> None:
    async def main() -> bool:
        with anyio.move_on_after(5) as scope:
            await say_after(stage, 9, "late")
        return scope.cancelled_caught

    assert stage.play(main) == (True, 5)
    assert (stage.said, stage.pending) == (["late cancelled"], [])


def test_leaving_in_time_takes_the_alarm_away(stage: Stage) -> None:
    async def main() -> tuple[bool, bool]:
        with anyio.move_on_after(5) as scope:
            await anyio.sleep(1)
        return scope.cancel_called, scope.cancelled_caught

    assert stage.play(main) == ((False, False), 1)
    assert stage.pending == []


@pytest.mark.parametrize(("outer", "inner", "caught"), [(2, 5, "outer"), (5, 2, "inner")])
def test_the_scope_whose_deadline_came_catches(
    stage: Stage, outer: float, inner: float, caught: str
) -> None:
    async def main() -> str:
        within = anyio.CancelScope(deadline=anyio.current_time() + inner)
        with anyio.move_on_after(outer) as around:
            with within:
                await anyio.sleep(9)
            assert within.cancelled_caught
            return "inner"
        assert around.cancelled_caught
        assert not within.cancelled_caught
        return "outer"

    assert stage.play(main) == (caught, 2)


def test_a_shield_holds_cancellation_off(stage: Stage) -> None:
    async def main() -> None:
        with anyio.move_on_after(1):
            with anyio.CancelScope(shield=True):
                await say_after(stage, 5, "shielded")
            await say_after(stage, 5, "unshielded")

    assert stage.play(main) == (None, 5)
    assert stage.said == ["shielded", "unshielded cancelled"]


def test_taking_the_shield_away_lets_cancellation_in(stage: Stage) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            with anyio.CancelScope(shield=True) as shield:

                async def unshield() -> None:
                    with anyio.CancelScope(shield=True):
                        await anyio.sleep(3)
                    shield.shield = False

                group.start_soon(unshield)
                await anyio.sleep(1)
                group.cancel_scope.cancel()
                await say_after(stage, 9, "late")

    assert stage.play(main) == (None, 3)
    assert stage.said == ["late cancelled"]


@pytest.mark.parametrize(("moved", "elapsed"), [(START + 7, 7), (START + 1, 1), (START - 1, 0)])
def test_a_deadline_can_be_moved(stage: Stage, moved: float, elapsed: float) -> None:
    async def main() -> bool:
        with anyio.move_on_after(3) as scope:
            scope.deadline = moved
            await anyio.sleep(20)
        return scope.cancelled_caught

    assert stage.play(main) == (True, elapsed)
    assert stage.pending == []


def test_a_deadline_in_the_past_cancels_at_once(stage: Stage) -> None:
    async def main() -> bool:
        with anyio.CancelScope(deadline=anyio.current_time() - 1) as scope:
            assert scope.cancel_called
            stage.said.append("before waiting")
            await say_after(stage, 9, "late")
        return scope.cancelled_caught

    assert stage.play(main) == (True, 0)
    assert stage.said == ["before waiting", "late cancelled"]


def test_an_endless_deadline_sets_no_alarm(stage: Stage) -> None:
    async def main() -> None:
        with anyio.move_on_after(None), anyio.fail_after(math.inf):
            await anyio.lowlevel.checkpoint()

    assert stage.play(main) == (None, 0)
    assert stage.alarms == []


def test_fail_after_raises_a_timeout(stage: Stage) -> None:
    async def main() -> None:
        with anyio.fail_after(4):
            await anyio.sleep_forever()

    with pytest.raises(TimeoutError):
        stage.play(main)
    assert stage.now == START + 4


def test_the_effective_deadline_is_the_nearest(stage: Stage) -> None:
    async def main() -> list[float]:
        seen = [anyio.current_effective_deadline()]
        with anyio.move_on_after(5):
            with anyio.move_on_after(9):
                seen.append(anyio.current_effective_deadline())
            with anyio.move_on_after(9, shield=True) as scope:
                seen.append(anyio.current_effective_deadline())
                scope.cancel()
                seen.append(anyio.current_effective_deadline())
        return seen

    assert stage.play(main)[0] == [math.inf, START + 5, START + 9, -math.inf]


def test_every_wait_of_a_cancelled_scope_is_interrupted(stage: Stage) -> None:
    async def main() -> int:
        interrupted = 0
        with anyio.CancelScope() as scope:
            scope.cancel()
            for wait in (anyio.lowlevel.checkpoint, anyio.Event().wait, anyio.sleep_forever):
                try:
                    await wait()
                except Cancelled:
                    interrupted += 1
            await anyio.lowlevel.cancel_shielded_checkpoint()
            await anyio.lowlevel.checkpoint_if_cancelled()
            raise AssertionError("the last one interrupts too")
        return interrupted

    assert stage.play(main)[0] == 3


def test_finally_can_wait_behind_a_shield(stage: Stage) -> None:
    async def main() -> None:
        with anyio.move_on_after(1):
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await say_after(stage, 2, "cleaned up")

    assert stage.play(main) == (None, 3)
    assert stage.said == ["cleaned up"]


def test_a_scope_is_entered_only_once(stage: Stage) -> None:
    async def main() -> None:
        scope = anyio.CancelScope()
        with scope:
            pass
        with pytest.raises(RuntimeError, match="only once"), scope:
            pass

    stage.play(main)


# Task groups


def test_a_group_waits_for_its_children(stage: Stage) -> None:
    async def main() -> list[str]:
        handles: list[anyio.TaskHandle[str]] = []
        async with anyio.create_task_group() as group:
            for seconds, word in ((3, "c"), (1, "a"), (2, "b")):
                handles.append(group.start_soon(say_after, stage, seconds, word))
        return [handle.return_value for handle in handles]

    assert stage.play(main) == (["c", "a", "b"], 3)
    assert stage.said == ["a", "b", "c"]


def test_a_failing_child_cancels_its_siblings(stage: Stage) -> None:
    async def fail() -> None:
        await anyio.sleep(1)
        raise ValueError("child")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            group.start_soon(say_after, stage, 5, "sibling")
            await say_after(stage, 5, "host")

    with pytest.raises(ExceptionGroup) as group:
        stage.play(main)
    assert [str(error) for error in group.value.exceptions] == ["child"]
    assert sorted(map(str, stage.said)) == ["host cancelled", "sibling cancelled"]
    assert stage.now == START + 1


def test_errors_of_host_and_children_come_together(stage: Stage) -> None:
    async def fail(number: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise KeyError(number)

    async def main() -> None:
        async with anyio.create_task_group() as outer:
            outer.start_soon(fail, 1)
            async with anyio.create_task_group() as inner:
                inner.start_soon(fail, 2)
                await anyio.sleep(1)
                raise ValueError("host")

    with pytest.raises(ExceptionGroup) as group:
        stage.play(main)
    nested, child = map(repr, group.value.exceptions)
    assert "[ValueError('host'), KeyError(2)]" in nested
    assert child == "KeyError(1)"


def test_a_cancelled_group_ends_quietly(stage: Stage) -> None:
    handles: list[anyio.TaskHandle[str]] = []

    async def main() -> None:
        async with anyio.create_task_group() as group:
            handles.append(group.start_soon(say_after, stage, 5, "child"))
            await anyio.sleep(1)
            group.cancel_scope.cancel()
        stage.said.append(handles[0].status)

    assert stage.play(main) == (None, 1)
    assert stage.said == ["child cancelled", anyio.TaskHandle.Status.CANCELLED]


def test_a_handle_cancels_only_its_child(stage: Stage) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            handle = group.start_soon(say_after, stage, 5, "one")
            group.start_soon(say_after, stage, 2, "other")
            await anyio.sleep(1)
            handle.cancel()

    assert stage.play(main) == (None, 2)
    assert stage.said == ["one cancelled", "other"]


def test_a_deadline_around_a_group_ends_it(stage: Stage) -> None:
    async def main() -> bool:
        with anyio.move_on_after(2) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(say_after, stage, 5, "child")
        return scope.cancelled_caught

    assert stage.play(main) == (True, 2)
    assert stage.said == ["child cancelled"]


def test_a_group_that_was_left_takes_nothing(stage: Stage) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            pass
        with pytest.raises(RuntimeError, match="not active"):
            group.start_soon(say_after, stage, 1, "late")

    stage.play(main)


async def serve(
    stage: Stage, ready_after: float, *, task_status: anyio.abc.TaskStatus[str]
) -> None:
    await anyio.sleep(ready_after)
    task_status.started("ready")
    await say_after(stage, 5, "served")


def test_start_returns_what_the_child_says(stage: Stage) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            stage.said.append(await group.start(serve, stage, 1))
            stage.said.append(anyio.current_time() - START)

    assert stage.play(main) == (None, 6)
    assert stage.said == ["ready", 1, "served"]


def test_start_raises_what_the_child_raises(stage: Stage) -> None:
    async def fail(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        await anyio.sleep(1)
        raise ValueError("not ready")

    async def silent(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        await anyio.sleep(1)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            with pytest.raises(ValueError, match="not ready"):
                await group.start(fail)
            with pytest.raises(RuntimeError, match="without calling"):
                await group.start(silent)

    assert stage.play(main) == (None, 2)


def test_a_starter_in_a_hurry_ends_its_child(stage: Stage) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            with anyio.move_on_after(1) as hurry:
                await group.start(serve, stage, 9)
            stage.said.append(hurry.cancelled_caught)
            group.start_soon(say_after, stage, 1, "the group goes on")

    assert stage.play(main) == (None, 2)
    assert stage.said == [True, "the group goes on"]
    assert stage.pending == []
