"""The checker by itself: orders that there are and are not, histories on disk, real runtimes."""

import pytest
from attrs import define

from perdure import App, EntityContext, EntityId, OrchestrationContext, Runtime
from perdure.persistence.memory import MemoryStore
from perdure.testing.checking import Evidence, History, Ledger, Operation, check_history, recorded
from perdure.testing.checking.linear import Deed, Search, State

app = App("checked")


@app.entity
@define
class Counter:
    total: int = 0

    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total

    def tell(self, ctx: EntityContext, key: str) -> None:
        ctx.signal_entity(EntityId("counter", key), "add", 1)


@app.activity
async def double(number: int) -> int:
    return 2 * number


@app.orchestration
async def doubled(ctx: OrchestrationContext, number: int) -> int:
    return await ctx.call_activity(double, number)


def write(value: str, asked: int, answered: int | None) -> Deed:
    return Deed(("write", value), asked, answered, "ok", told=answered is not None)


def read(value: str | None, asked: int, answered: int) -> Deed:
    return Deed(("read", None), asked, answered, value, told=True)


def register(state: State, deed: Deed) -> tuple[object, State]:
    kind, value = deed.what
    return ("ok", value) if kind == "write" else (state, state)


def unanswered(deed: Deed) -> Deed:
    deed.needed = False
    return deed


@pytest.mark.parametrize(
    ("deeds", "final", "found"),
    [
        ([write("a", 1, 2), read("a", 3, 4)], "a", "order"),
        ([write("a", 1, 2), read(None, 3, 4)], "a", "none"),
        ([write("a", 1, 4), read(None, 2, 3)], "a", "order"),
        ([write("a", 1, 9), write("b", 2, 8), read("b", 3, 4), read("a", 5, 6)], "a", "order"),
        (
            [write("a", 1, 9), write("b", 2, 8), read("b", 3, 4), read("a", 5, 6), read("b", 7, 8)],
            "b",
            "none",
        ),
        ([unanswered(write("a", 1, None)), read("a", 3, 4)], "a", "order"),
        ([unanswered(write("a", 1, None)), read(None, 3, 4)], None, "order"),
        ([read("a", 1, 2), unanswered(write("a", 3, None))], "a", "none"),
        ([write("a", 1, 2)], None, "none"),
    ],
)
def test_an_order_is_found_when_there_is_one(deeds: list[Deed], final: State, found: str) -> None:
    assert Search(deeds, register, final).run() == found


def test_a_search_without_end_is_undecided() -> None:
    deeds = [unanswered(write(str(number), 1, None)) for number in range(20)]
    assert Search(deeds, register, "never written", nodes_max=1_000).run() == "undecided"


def test_a_history_survives_its_way_through_a_file() -> None:
    first = Operation("one", "call", "@counter@c", "add", "1", "r1", 5, 9, "done", "1")
    second = Operation("two", "start", "i", "doubled", None, "e", 7, failure=("StoreError", "no"))
    text = History([second]).write() + History([first]).write()
    assert History.read(text).operations == [first, second]
    with pytest.raises(ValueError, match="no line of a history"):
        History.read(b'{"client": 1}\n')


async def evidence_of_a_run(store: MemoryStore) -> Evidence:
    history = History()
    async with Runtime(app, store) as runtime:
        client = recorded(runtime.client, history, "one")
        counter = client.entity(Counter, "c")
        for amount in (1, 2):
            await counter.call(Counter.add, amount)
        assert await (await client.start_new(doubled, 4, instance_id="four")).result() == 8
    ledger = Ledger.of(list(store.export()))
    return Evidence(app, history, store, ledger)


async def test_a_real_run_keeps_every_promise() -> None:
    evidence = await evidence_of_a_run(MemoryStore())
    verdict = check_history(evidence)
    assert verdict.holds, str(verdict)
    # An entity of this App sends signals, which a store does not keep.
    assert any("not on record" in text for text in verdict.undecided)


async def test_an_instance_that_was_lost_is_missed() -> None:
    evidence = await evidence_of_a_run(MemoryStore())
    evidence.store.purge(["four"])
    evidence.ledger = Ledger.of(list(evidence.store.export()))
    rules = {violation.rule for violation in check_history(evidence).violations}
    assert rules == {"what was acknowledged is durable"}


async def test_an_answer_that_nobody_gave_is_seen() -> None:
    evidence = await evidence_of_a_run(MemoryStore())
    evidence.ledger.steps = []
    assert check_history(evidence).holds
    told = next(o for o in evidence.history.operations if o.kind == "call")
    told.result = "7"
    (violation,) = check_history(evidence).violations
    assert violation.about == "@counter@c"
    assert "cannot have been answered with ('done', '7')" in violation.text
