"""Mistakes in the use of the proof kit are told in words, before anything is run in vain."""

from collections.abc import Callable
from typing import Any

import pytest

from perdure import App, DefinitionNotFoundError, OrchestrationContext, Runtime
from perdure.persistence.memory import MemoryStore
from perdure.testing import (
    Environment,
    Faults,
    SimulationFailure,
    check_store,
    crash_everywhere,
    simulate,
)
from perdure.testing.checking import Evidence, History, check_history, recorded

app = App("kit")


@app.activity
async def step() -> None:
    """Do nothing."""


@app.orchestration
async def steps(ctx: OrchestrationContext) -> None:
    await ctx.call_activity(step)


async def scenario(env: Environment) -> None:
    await (await env.client.start_new(steps)).result()


async def idle(*_: object) -> None:
    """Ask for nothing."""


def nothing(*_: object) -> None:
    """Ask for nothing, and at once."""


WRONG: Any = "kit"
NO_APP: list[Callable[[], object]] = [
    lambda: Runtime(WRONG),
    lambda: Environment(WRONG),
    lambda: check_store(WRONG, MemoryStore()),
    lambda: simulate(WRONG, idle),
    lambda: Evidence.of(WRONG, History(), MemoryStore()),
]


@pytest.mark.parametrize("use", NO_APP)
def test_what_is_no_app_is_refused(use: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match=r"app is an App, as App\('shop'\) makes one, not 'kit'"):
        use()


def test_a_runtime_is_no_app() -> None:
    wrong: Any = Runtime(app)
    with pytest.raises(TypeError, match=r"; give its \.app"):
        check_store(wrong, MemoryStore())


def test_a_url_is_no_open_store() -> None:
    url: Any = "sqlite:///a.db"
    with pytest.raises(TypeError, match=r"open_store\(url\) gives it, not 'sqlite:///a.db'"):
        check_store(app, url)
    with pytest.raises(TypeError, match=r"open_store\(url\) gives it, not 'sqlite:///a.db'"):
        Evidence.of(app, History(), url)


async def test_a_scenario_has_to_be_async() -> None:
    wrong: Any = nothing
    with pytest.raises(TypeError, match=r"async def scenario\(env\)`, and gave None"):
        await crash_everywhere(app, wrong)


def test_what_simulate_calls_has_to_be_async() -> None:
    wrong: Any = nothing
    with pytest.raises(SimulationFailure, match=r"`async def scenario\(client, chances\)`"):
        simulate(app, wrong, seeds=1)
    with pytest.raises(SimulationFailure, match=r"`async def check\(ended\)`, and gave None"):
        simulate(app, idle, seeds=1, check=wrong)


def test_a_seed_has_to_be_a_number() -> None:
    wrong: Any = "7"
    with pytest.raises(TypeError, match="a seed is a whole number, not '7'"):
        simulate(app, idle, seed=wrong)


async def test_idempotent_names_have_to_be_activities() -> None:
    with pytest.raises(DefinitionNotFoundError, match="no activity 'stepp'"):
        await crash_everywhere(app, scenario, idempotent=["stepp"])
    with pytest.raises(TypeError, match=r"idempotent is a list of names, such as \['step'\]"):
        await crash_everywhere(app, scenario, idempotent="step")
    report = await crash_everywhere(app, scenario, idempotent=["step"])
    assert report.repeated == {"step": 2}


async def test_a_number_of_points_is_none_below_zero() -> None:
    with pytest.raises(ValueError, match="points_max must be at least 0, not -1"):
        await crash_everywhere(app, scenario, points_max=-1)


def test_histories_of_no_files_are_refused() -> None:
    with pytest.raises(ValueError, match="there are no files of histories"):
        History.of_files([])


def test_one_name_is_no_list_of_names() -> None:
    with pytest.raises(TypeError, match=r"by_clients is a list of names, such as \['steps'\]"):
        Evidence.of(app, History(), MemoryStore(), by_clients="steps")


MISTAKES: list[tuple[Callable[[], object], str]] = [
    (lambda: simulate(app, WRONG), "a scenario is `async def scenario"),
    (lambda: simulate(app, idle, seeds=WRONG), "seeds is a whole number, not 'kit'"),
    (lambda: simulate(app, idle, seconds=WRONG), "seconds is a number, not 'kit'"),
    (lambda: simulate(app, idle, faults=WRONG), r"faults is Faults\(...\) or Faults.none"),
    (lambda: simulate(app, idle, check=WRONG), r"check is `async def check\(ended\)`, not 'kit'"),
    (lambda: simulate(app, idle, stubs=WRONG), "stubs is a dict, such as"),
    (lambda: simulate(app, idle, opaque=WRONG), r"opaque is a list of names, such as \['kit'\]"),
    (lambda: simulate(app, idle, store=WRONG), "store is a function that makes an empty store"),
    (lambda: simulate(app, idle, progress=WRONG), "progress is a function of a SimulationReport"),
    (lambda: Faults(takeover=WRONG), "takeover is a share from 0 to 1, not 'kit'"),
    (lambda: check_store(app, MemoryStore(), sample=WRONG), "sample is a whole number, not 'kit'"),
    (lambda: check_store(app, MemoryStore(), seconds_max=WRONG), "seconds_max is a number"),
    (lambda: check_history(WRONG), r"evidence is Evidence.of\(app, history, store\), not 'kit'"),
    (lambda: Evidence.of(app, WRONG, MemoryStore()), "history is a History, such as"),
    (lambda: recorded(WRONG, History(), "me"), "client is a Client, such as runtime.client"),
    (lambda: History.of_files("a.life"), "paths are several, such as"),
]


@pytest.mark.parametrize(("use", "told"), MISTAKES)
def test_a_mistake_is_told_with_its_name(use: Callable[[], object], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        use()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"only": 3}, "only is the name of one point, such as 'after-commit-7', not 3"),
        ({"compare": 3}, "compare is a function of an EndState, not 3"),
        ({"points_max": 2.5}, "points_max is a whole number, not 2.5"),
        ({"scenario": None}, r"scenario is `async def scenario\(env\)`, not None"),
    ],
)
async def test_a_trial_that_cannot_be_is_refused(wrong: dict[str, Any], told: str) -> None:
    given: dict[str, Any] = {"scenario": scenario, **wrong}
    with pytest.raises(TypeError, match=told):
        await crash_everywhere(app, **given)


async def test_a_scenario_without_commits_tries_nothing() -> None:
    with pytest.raises(ValueError, match="nothing to crash in, as the scenario makes no commit"):
        await crash_everywhere(app, idle)
