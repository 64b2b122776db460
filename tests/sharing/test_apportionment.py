"""Shares of partitions, worked out from a roster alone."""

import pytest

from perdure import App, DefinitionNotFoundError, OrchestrationContext
from perdure.actors.repertoire import Needed, Repertoire, read, written
from perdure.persistence.records import Roster
from perdure.runtime.sharing.apportionment import Apportionment
from perdure.runtime.sharing.code import Code

SIZE = 8
ONE, TWO = Needed("orchestration", "flow", "1"), Needed("orchestration", "flow", "2")
CODE = {"a": [ONE], "b": [ONE, TWO], "c": [ONE, TWO]}


def view(
    worker: str, owners: dict[int, str], needs: dict[int, list[Needed]], alive: str = "ab"
) -> Apportionment:
    """What a worker makes of a hub in which the partitions that nobody owns are free."""
    free = [number for number in range(SIZE) if number not in owners]
    roster = Roster(
        {number: 1 for number, owner in owners.items() if owner == worker},
        free,
        free,
        list(alive),
        owners,
        {number: written(needed) for number, needed in needs.items()},
        {name: f"worker {name}" for name in alive},
        {name: written(CODE[name]) for name in alive},
    )
    code = Code()
    code.own = Repertoire(frozenset(CODE[worker]))
    code.met(roster, worker)
    return Apportionment(worker, SIZE, roster, code)


def owned(text: str) -> dict[int, str]:
    return {number: owner for number, owner in enumerate(text) if owner != "."}


def nothing_used() -> dict[int, set[Needed]]:
    return {}


def test_shares_are_even_when_nothing_is_needed() -> None:
    assert view("b", owned("aaaa...."), {}).wanted() == [6, 7, 4, 5]
    assert view("a", owned("aaaaaa.."), {}).wanted() == []
    assert view("a", owned("aaaaaabb"), {}).surplus(set(range(6)), nothing_used) == [5, 4]


def test_only_who_has_the_code_takes_it() -> None:
    assert view("a", owned("aaa.bbbb"), {3: [TWO]}).wanted() == []
    assert view("b", owned("aaa.bbbb"), {3: [TWO]}).wanted() == [3]


def test_what_nobody_can_run_is_taken_all_the_same() -> None:
    needs = {3: [Needed("orchestration", "flow", "3")]}
    assert view("a", owned("aaa.bbbb"), needs).wanted() == [3]


def test_one_takes_what_is_beyond_all_shares() -> None:
    needs = {number: [TWO] for number in range(SIZE)}
    owners = owned("bbbccc..")
    takers = [name for name in "abc" if view(name, owners, needs, "abc").wanted()]
    assert takers == ["b"]


def test_others_get_what_they_can_run_in_exchange() -> None:
    mine = {3, 4, 5, 6, 7}
    given = view("b", owned("aaabbbbb"), {7: [TWO]}).surplus(mine, nothing_used)
    assert given == [6]
    used = {6: {TWO}, 5: {ONE, TWO}, 4: {ONE}}
    assert view("b", owned("aaabbbbb"), {7: [TWO]}).surplus(mine, lambda: used) == [4]


def test_who_alone_can_run_things_keeps_them() -> None:
    needs = {number: [TWO] for number in range(SIZE)}
    assert view("b", owned("bbbbbbbb"), needs).surplus(set(range(SIZE)), nothing_used) == []


@pytest.mark.parametrize("registered", [[None], ["1"], [None, "1"], ["1", "2"], []])
@pytest.mark.parametrize("wanted", [None, "1", "3"])
def test_a_repertoire_has_what_its_app_has(
    registered: list[str | None], wanted: str | None
) -> None:
    app = App("some")
    for version in registered:

        @app.orchestration(name="flow", version=version)
        async def flow(ctx: OrchestrationContext) -> None: ...

    try:
        app.recorded_orchestration("flow", wanted)
        has = True
    except DefinitionNotFoundError:
        has = False
    repertoire = Repertoire(read(written(Repertoire.of(app).definitions)))
    assert repertoire.has(Needed("orchestration", "flow", wanted or "")) is has
