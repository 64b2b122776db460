"""A scenario is run again for each moment at which the process can die, and dies there.

What is left must be what is left without a crash. Nothing is waited for in real time, so that this
takes milliseconds for each point.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import islice
from typing import Any

from attrs import define, field, frozen

from perdure.actors.app import App
from perdure.runtime.checked import (
    checked_app,
    checked_awaitable,
    checked_count,
    checked_function,
    checked_kind,
    checked_names,
)

from .crash_point import CrashPoint, point_named
from .crash_trial import Trial
from .end_state import EndState, differences, masked
from .environment import Environment

logger = logging.getLogger("perdure.testing")

Scenario = Callable[[Environment], Awaitable[Any]]
Compare = Callable[[EndState], Any]

SHAPE = "async def scenario(env)"
ATTEMPTS_MAX = 5
"""On trio tasks go in no certain order: a point that a run did not come to is tried so often."""
_SHOWN_DIFFERENCES = 10


class CrashPointError(AssertionError):
    """Raised when a crash changed what is left. `point` says where, `found` says what."""

    def __init__(self, point: CrashPoint, found: Sequence[str], repeated: Collection[str]) -> None:
        shown = [*islice(found, _SHOWN_DIFFERENCES)]
        if len(found) > len(shown):
            shown.append(f"and {len(found) - len(shown)} more")
        lines = [f"after a crash {point},", "this is different:", *(f"  {line}" for line in shown)]
        if repeated:
            lines.append(f"activities that were run more than once: {', '.join(repeated)}")
        super().__init__("\n".join(lines))
        self.point = point
        self.found = found


@define
class CrashReport:
    """What became of a scenario at its crash points."""

    undisturbed: EndState
    points: list[CrashPoint] = field(factory=list[CrashPoint])
    """Those that were survived, in words."""
    repeated: Counter[str] = field(factory=Counter[str])
    """Activities that were run more than once for one call, by name, with the number of points
    at which that happened: they must be able to bear it."""
    unreached: list[CrashPoint] = field(factory=list[CrashPoint])
    """Points of the undisturbed run that no other came to: its order was another each time."""


@frozen
class _Run:
    end: EndState
    points: list[CrashPoint]
    died_at: CrashPoint | None
    repeated: set[str]


async def crash_everywhere(
    app: App,
    scenario: Scenario,
    *,
    compare: Compare = masked,
    idempotent: Collection[str] | None = None,
    only: str | None = None,
    points_max: int | None = None,
    **settings: Any,
) -> CrashReport:
    """Run `scenario` once undisturbed, and once for each commit, activity start and end.

    The scenario gets an `Environment`, whose client survives the crash as one in another process
    would, and returns what else is to be compared, such as what activities have done to the world
    outside; all that it makes has to be new in each run. At each point the runtime loses its
    memory and recovers, before or after the commit, before the activity's first line, or after its
    last. Then the scenario goes on, and what is left is compared with the undisturbed run, by what
    `compare` makes of it.

    `idempotent` names the activities that may be run more than once, all unless it is given.
    `only` is the name of one point, such as `after-commit-7`; of more than `points_max` points
    that many are taken, evenly. `settings` are those of `Environment`.

    Raises `CrashPointError` at the first point after which something differs, `LookupError` when
    there is no point called `only`, `DefinitionNotFoundError` for a name in `idempotent` that no
    activity has, `ValueError` for a scenario without any commit, and what it raises undisturbed.
    """
    checked_function(scenario, "scenario is `async def scenario(env)`")
    checked_function(compare, "compare is a function of an EndState")
    if points_max is not None:
        checked_count("points_max", points_max, 0)
    checked_kind(only, (str, type(None)), "only is the name of one point, such as 'after-commit-7'")
    if idempotent is not None:
        idempotent = _checked_names(app, idempotent)
    undisturbed = await _run(app, scenario, None, settings)
    if not undisturbed.points:
        raise ValueError(
            "there is nothing to crash in, as the scenario makes no commit: let it start or send "
            "something with env.client, and await it"
        )
    report = CrashReport(undisturbed.end)
    expected = compare(undisturbed.end)
    for point in _chosen(undisturbed.points, only, points_max):
        run = await _crashed_run(app, scenario, point, settings)
        if run is None or run.died_at is None:
            if only is not None:
                raise LookupError(_absent(only, undisturbed.points))
            logger.warning("no run came to its %s again", point.name)
            report.unreached.append(point)
            continue
        found = [*differences(expected, compare(run.end))]
        if idempotent is not None:
            found += [
                f"activity {name!r} was run more than once and is not among the idempotent ones"
                for name in sorted(run.repeated - idempotent)
            ]
        if found:
            raise CrashPointError(run.died_at, found, sorted(run.repeated))
        report.points.append(run.died_at)
        report.repeated.update(run.repeated)
    return report


def _checked_names(app: App, idempotent: Collection[str]) -> set[str]:
    """Raise for what no activity is called: it would allow nothing, or everything by mistake."""
    checked_names("idempotent", idempotent)
    return {checked_app(app).activity_of(name).name for name in idempotent}


def _chosen(points: list[CrashPoint], only: str | None, points_max: int | None) -> list[CrashPoint]:
    if only is not None:
        # It need not be in this run: on trio the next may have a commit more.
        point = point_named(only)
        if point is None:
            raise LookupError(_absent(only, points))
        return [point]
    if points_max is None or len(points) <= points_max:
        return points
    return [points[len(points) * n // points_max] for n in range(points_max)]


def _absent(name: str, points: list[CrashPoint]) -> str:
    counts = Counter(point.kind for point in points)
    there = ", ".join(f"{kind}-1 to {kind}-{count}" for kind, count in counts.items())
    return f"there is no crash point {name!r}; there are {there or 'none at all'}"


async def _crashed_run(
    app: App, scenario: Scenario, point: CrashPoint, settings: dict[str, Any]
) -> _Run | None:
    for _ in range(ATTEMPTS_MAX):
        run = await _run(app, scenario, point, settings)
        if run.died_at is not None:
            return run
    return None


async def _run(
    app: App, scenario: Scenario, fatal: CrashPoint | None, settings: dict[str, Any]
) -> _Run:
    trial = Trial(app, None if fatal is None else fatal.name, **settings)
    try:
        async with trial:
            result = await checked_awaitable(scenario(trial), SHAPE)
            await trial.settle()
            trial.passage.over = True
            end = EndState.of(result, trial.store)
    except Exception as error:
        died_at = trial.passage.died_at
        if died_at is None:
            raise
        problem = f"the scenario raised {type(error).__name__}: {error}"
        raise CrashPointError(died_at, [problem], sorted(trial.repeated)) from error
    return _Run(end, trial.passage.points, trial.passage.died_at, trial.repeated)
