"""Histories that grow on disk, and what the checker makes of them and of a store nobody watched."""

import resource
from pathlib import Path

import orjson
import pytest
from attrs import define, evolve

from perdure import App, OrchestrationContext, Runtime
from perdure.persistence.memory import MemoryStore
from perdure.testing.checking import (
    Evidence,
    History,
    Operation,
    Verdict,
    check_history,
    recorded,
)

app = App("kept")


@app.entity
@define
class Tally:
    total: int = 0

    def add(self, amount: int) -> int:
        self.total += amount
        return self.total


@app.orchestration
async def diary(ctx: OrchestrationContext) -> list[str]:
    words: list[str] = []
    while not words or words[-1] != "stop":
        words.append(await ctx.wait_for_external_event("word", str))
    return words


@app.orchestration
async def again(ctx: OrchestrationContext, times: int) -> None:
    if times:
        ctx.continue_as_new(times - 1)


@app.orchestration
async def adding(ctx: OrchestrationContext) -> None:
    await ctx.entity(Tally, "t").call(Tally.add, 1)


def asked(place: int) -> Operation:
    return Operation(f"c{place}", "call", "@tally@t", "add", str(place), f"r{place}", place)


def two_requests(path: Path) -> History:
    """Of the first the answer is there, of the second none."""
    history = History.on_file(path)
    first, second = asked(1), asked(2)
    history.asked(first)
    history.asked(second)
    first.answer, first.answered, first.result = "done", 9, "1"
    history.told(first)
    history.close()
    return history


def test_a_file_keeps_what_was_asked_and_told(tmp_path: Path) -> None:
    history = two_requests(tmp_path / "life")
    assert History.of_files([tmp_path / "life"]).operations == history.operations
    with pytest.raises(FileExistsError):
        History.on_file(tmp_path / "life")


def test_a_life_needs_a_file_of_its_own(tmp_path: Path) -> None:
    History.on_file(tmp_path / "a.life").close()
    with pytest.raises(FileExistsError, match=r"give it another name: .*a\.life"):
        History.on_file(tmp_path / "a.life")


def test_files_of_several_lives_are_joined_by_time(tmp_path: Path) -> None:
    for number, name in enumerate(("later", "sooner")):
        history = History.on_file(tmp_path / name)
        history.asked(asked(2 - number))
        history.close()
    joined = History.of_files([tmp_path / "later", tmp_path / "sooner"])
    assert [operation.asked for operation in joined.operations] == [1, 2]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_only_the_last_line_may_be_torn(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "life"
    two_requests(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    first, second = History.of_files([path]).operations
    assert first.answer == second.answer == "unknown"
    lines = whole.splitlines(keepends=True)
    path.write_bytes(lines[0][:-cut] + b"".join(lines[1:]))
    with pytest.raises(ValueError, match=r"line 1 of .*life is none of a history's"):
        History.of_files([path])


def test_a_line_in_the_wrong_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "life"
    two_requests(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[1] + lines[0])
    with pytest.raises(ValueError, match="line 1 of"):
        History.of_files([path])
    path.write_bytes(orjson.dumps({"told": 7, "answer": "done"}) + b"\n")
    with pytest.raises(ValueError, match="line 1 of"):
        History.of_files([path])


def test_a_line_without_room_leaves_no_half(tmp_path: Path) -> None:
    path = tmp_path / "life"
    history = History.on_file(path)
    history.asked(asked(1))
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, unlimited[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            history.asked(asked(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    history.asked(asked(3))
    history.close()
    kept = History.of_files([path]).operations
    assert [operation.asked for operation in kept] == [1, 3]
    assert kept == history.operations


async def a_life(path: Path, store: MemoryStore) -> None:
    history = History.on_file(path)
    async with Runtime(app, store) as runtime:
        client = recorded(runtime.client, history, "one")
        tally = client.entity(Tally, "t")
        assert await tally.call(Tally.add, 5) == 5
        await tally.signal(Tally.add, 7)
        assert await tally.call(Tally.add, 0) == 12
        open_diary = await client.start_new(diary, instance_id="d")
        await open_diary.raise_event("word", "a")
        await open_diary.raise_event("word", "b")
    history.close()


def verdict(path: Path, store: MemoryStore, *by_clients: str) -> Verdict:
    history = History.of_files([path])
    return check_history(Evidence.of(app, history, store, by_clients=by_clients))


async def test_what_only_clients_send_is_decided(tmp_path: Path) -> None:
    store = MemoryStore()
    await a_life(tmp_path / "life", store)
    found = verdict(tmp_path / "life", store, "tally", "diary")
    assert found.holds, str(found)
    assert (found.judged, found.undecided) == (6, [])
    blind = verdict(tmp_path / "life", store)
    assert blind.holds
    assert blind.judged == 1
    assert "not on record" in blind.undecided[0]


async def test_other_senders_leave_it_undecided(tmp_path: Path) -> None:
    store = MemoryStore()
    await a_life(tmp_path / "life", store)
    async with Runtime(app, store) as runtime:
        await (await runtime.client.start_new(adding, instance_id="o")).result()
    found = verdict(tmp_path / "life", store, "tally")
    assert found.holds
    assert "by_clients has its name, and yet it was sent to by o" in found.undecided[0]
    with pytest.raises(ValueError, match=r"by_clients names tale.*diary.*tally"):
        verdict(tmp_path / "life", store, "tale")


@pytest.mark.parametrize(("times", "said"), [(0, "arrived 0 times"), (2, "arrived 2 times")])
async def test_lost_and_doubled_events_are_seen(tmp_path: Path, times: int, said: str) -> None:
    store = MemoryStore()
    await a_life(tmp_path / "life", store)
    wholes = {whole.id: whole for whole in store.export()}
    last = wholes["d"].turns.pop()
    wholes["d"].turns += [evolve(last, sequence=last.sequence + n) for n in range(times)]
    changed = MemoryStore()
    changed.install([*wholes.values()])
    found = verdict(tmp_path / "life", changed, "diary")
    assert [violation.about for violation in found.violations] == ["d"]
    assert said in found.violations[0].text


async def test_continuing_as_new_is_no_loss(tmp_path: Path) -> None:
    store, history = MemoryStore(), History.on_file(tmp_path / "life")
    async with Runtime(app, store) as runtime:
        client = recorded(runtime.client, history, "one")
        await (await client.start_new(again, 2, instance_id="a")).result()
    history.close()
    found = verdict(tmp_path / "life", store)
    assert found.holds, str(found)
    assert found.judged == 2
    store.purge(["a"])
    assert not verdict(tmp_path / "life", store).holds
