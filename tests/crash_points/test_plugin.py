"""The pytest plugin, in a pytest of its own."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ["-p", "anyio.pytest_plugin", "-p", "pytest_perdure"]
SUITE = """
import pytest
from perdure import App, OrchestrationContext

app = App("suite")


@app.activity
async def ship(parcel: str) -> str:
    return parcel


@app.orchestration
async def deliver(ctx: OrchestrationContext, parcel: str) -> str:
    return await ctx.call_activity(ship, parcel)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@pytest.mark.anyio
async def test_delivery(crash_points):
    async def scenario(env):
        return await (await env.client.start_new(deliver, "book")).result()

    report = await crash_points(app, scenario)
    assert report.undisturbed.result == "book"


@pytest.mark.anyio
async def test_counting(crash_points):
    async def scenario(env):
        shipped = []
        env.stub(ship, lambda parcel: shipped.append(parcel) or parcel)
        await (await env.client.start_new(deliver, "book")).result()
        return shipped

    await crash_points(app, scenario)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "test_suite.py"
    path.write_text(SUITE, "utf-8")
    return path


def run(suite: Path, *options: str, plugins: list[str] = PLUGINS) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *plugins, *options, suite.name],
        cwd=suite.parent,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"},
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_a_failure_says_how_to_repeat_it(suite: Path) -> None:
    told = run(suite, "-k", "asyncio")
    assert "after a crash at end 1 of an activity, with the outcome not recorded yet" in told
    assert "result: ['book'] undisturbed, ['book', 'book'] here" in told
    chosen = "'test_suite.py::test_counting[asyncio]' --perdure-crash-points=end-1"
    assert f"run only this one: pytest {chosen}" in told
    assert "1 failed, 1 passed" in told


def test_the_summary_names_repeated_activities(suite: Path) -> None:
    told = run(suite, "-k", "delivery")
    line = r"test_delivery\[(asyncio|trio)\]: \d+ crash points survived; run more than once, so to "
    assert len(re.findall(line + r"be idempotent: ship \(at 2\)", told)) == 2
    assert "2 passed" in told


def test_one_point_can_be_chosen(suite: Path) -> None:
    told = run(suite, "--perdure-crash-points", "start-1")
    assert told.count("1 crash point survived") == 4
    assert "4 passed" in told


def test_no_point_and_a_few_can_be_chosen(suite: Path) -> None:
    told = run(suite, "--perdure-crash-points", "none")
    assert told.count(": 0 crash points survived") == 4
    told = run(suite, "--perdure-crash-points=2", "-k", "delivery and trio")
    assert told.count(": 2 crash points survived") == 1


def test_an_unknown_point_is_named(suite: Path) -> None:
    told = run(suite, "--perdure-crash-points", "end-99", "-k", "asyncio and delivery")
    assert "there is no crash point 'end-99'; there are before-commit-1 to " in told


def test_what_names_no_points_is_refused(suite: Path) -> None:
    told = run(suite, "--perdure-crash-points", "after-lunch")
    assert "there are no crash points 'after-lunch': it is all, none, a number, or a name" in told


def test_a_trial_nobody_awaits_is_told(suite: Path) -> None:
    text = suite.read_text("utf-8")
    suite.write_text(f"{text}\n\ndef test_forgotten(crash_points):\n    crash_points(app, None)\n")
    told = run(suite, "-k", "forgotten")
    assert "nothing was tried: the test has to be async, and to `await crash_points(...)`" in told


def test_workers_of_xdist_report_too(suite: Path) -> None:
    told = run(suite, "-n", "1", "-k", "delivery", plugins=[*PLUGINS, "-p", "xdist"])
    assert told.count("crash points survived") == 2


def test_the_plugin_imports_nothing_of_perdure() -> None:
    code = "import sys, pytest_perdure; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in found.stdout.split()}
    assert "pytest_perdure" in loaded
    assert not loaded & {"perdure", "anyio", "trio", "attrs", "cattrs"}


def test_pytest_finds_the_plugin_by_itself() -> None:
    document: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert document["project"]["entry-points"]["pytest11"] == {"perdure": "pytest_perdure"}
