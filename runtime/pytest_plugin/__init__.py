"""The pytest plugin: the fixture `crash_points`, and `--perdure-crash-points`.

Every pytest of an environment with Perdure loads this module, so it imports Perdure only when a
test asks for the fixture. It is a package of its own for the same reason: `import perdure` is not
for free.
"""

import argparse
import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from perdure import App
    from perdure.testing import CrashReport, Environment

__all__ = ["crash_points", "pytest_addoption", "pytest_terminal_summary"]

OPTION = "--perdure-crash-points"
PROPERTY = "perdure_crash_points"
NONE, ALL = "none", "all"
WHICH = re.compile(r"all|none|[0-9]+|(before-commit|after-commit|start|end)-[0-9]+")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("perdure").addoption(
        OPTION,
        default=ALL,
        type=_which,
        metavar="WHICH",
        help="at which moments the fixture crash_points lets the process die: all (default), none, "
        "a number of them, or one by its name, such as after-commit-7",
    )


def _which(given: str) -> str:
    if not WHICH.fullmatch(given):
        raise argparse.ArgumentTypeError(
            f"there are no crash points {given!r}: it is all, none, a number, or a name such as "
            "before-commit-1, after-commit-7, start-2 or end-2"
        )
    return given


@pytest.fixture
def crash_points(
    request: pytest.FixtureRequest,
) -> "Iterator[Callable[..., Awaitable[CrashReport]]]":
    """Run a scenario once undisturbed, and once with a crash at each moment that matters.

    `await crash_points(app, scenario)` takes what `perdure.testing.crash_everywhere` takes.
    """
    which = str(request.config.getoption(OPTION))

    async def run(
        app: "App", scenario: "Callable[[Environment], Awaitable[Any]]", **options: Any
    ) -> "CrashReport":
        from perdure.testing import CrashPointError, crash_everywhere  # noqa: PLC0415

        if which == NONE:
            options["points_max"] = 0
        elif which.isdecimal():
            options["points_max"] = int(which)
        elif which != ALL:
            options["only"] = which
        try:
            report = await crash_everywhere(app, scenario, **options)
        except CrashPointError as error:
            chosen = f"'{request.node.nodeid}' {OPTION}={error.point.name}"
            error.add_note(f"run only this one: pytest {chosen}")
            raise
        request.node.user_properties.append((PROPERTY, _told(report)))
        return report

    asked: list[Coroutine[Any, Any, CrashReport]] = []

    def ask(
        app: "App", scenario: "Callable[[Environment], Awaitable[Any]]", **options: Any
    ) -> "Awaitable[CrashReport]":
        asked.append(run(app, scenario, **options))
        return asked[-1]

    yield ask
    forgotten = [trial for trial in asked if inspect.getcoroutinestate(trial) == "CORO_CREATED"]
    for trial in forgotten:
        trial.close()
    if forgotten:
        pytest.fail("nothing was tried: the test has to be async, and to `await crash_points(...)`")


def _told(report: "CrashReport") -> str:
    count = len(report.points)
    told = "1 crash point survived" if count == 1 else f"{count} crash points survived"
    if report.unreached:
        told += f", {', '.join(point.name for point in report.unreached)} not come to again"
    if report.repeated:
        named = ", ".join(f"{name} (at {at})" for name, at in sorted(report.repeated.items()))
        told += f"; run more than once, so to be idempotent: {named}"
    return told


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the tests with the fixture have survived."""
    found = [
        f"{report.nodeid}: {told}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, told in getattr(report, "user_properties", ())
        if name == PROPERTY and report.when == "call"
    ]
    if found:
        terminalreporter.section("perdure crash points")
        for line in found:
            terminalreporter.line(line)
