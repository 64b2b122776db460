"""One seed, from its beginning to the verdict."""

import logging
import random
import traceback
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import Factory, define, field

from perdure.actors.app import App
from perdure.persistence.memory import MemoryStore
from perdure.persistence.store import Store
from perdure.runtime.checked import checked_awaitable

from ..checking import Evidence, Verdict, check_history
from ..virtual_loop import RunawayError, numbered_scopes
from .choices import NOTHING_QUIETED, Choices, Quieted
from .faults import Faults
from .world import Ended, Line, Scenario, World, described

HERE = Path(__file__).parent
Check = Callable[[Ended], Awaitable[object]]
"""Looks at the end of a run, and raises if it is wrong."""


@define(kw_only=True)
class Experiment:
    """What is simulated, for any seed."""

    app: App
    scenarios: Sequence[Scenario]
    faults: Faults = field(factory=Faults)
    check: Check | None = None
    opaque: Sequence[str] = ()
    """Names of entities."""
    store: Callable[[], Store] = MemoryStore
    settings: dict[str, Any] = Factory(dict[str, Any])


@define
class Run:
    """What one seed has led to."""

    seed: int
    quieted: Quieted
    trace: list[Line]
    faults: list[str]
    """The names of the faults that happened, in order."""
    problems: list[str]
    """What is wrong, each in one text."""
    undecided: list[str]
    requests: dict[int, int]
    """How many requests each client made."""
    draws: dict[int, int]
    streams: list[str]
    """Where chance decided something."""
    commits: int
    micros: int
    """How much virtual time has passed."""
    unfinished: int
    """How many clients still waited in the end."""

    @property
    def failed(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.problems)


def run_seed(experiment: Experiment, seed: int, quieted: Quieted = NOTHING_QUIETED) -> Run:
    """Run one seed to its end."""
    choices = Choices(seed, quieted)
    world = World(
        experiment.app.copy(), choices, experiment.faults, quieted, experiment.store,
        experiment.settings,
    )  # fmt: skip
    verdict = Verdict()
    with numbered_scopes(), _logged(world), _seeded(seed):
        try:
            world.loop.run_until_complete(_whole_run(experiment, world, verdict))
        except RunawayError as error:
            world.broken.append(str(error))
        finally:
            world.bury()
    ledger = world.disk.ledger
    return Run(
        seed,
        quieted,
        _told(world),
        world.misfortune.happened,
        [*world.broken, *map(str, verdict.violations)],
        verdict.undecided,
        world.requests,
        world.draws,
        sorted(choices.drawn),
        len({step.moment for step in ledger.steps or ()}),
        world.loop.micros,
        world.unfinished,
    )


async def _whole_run(experiment: Experiment, world: World, verdict: Verdict) -> None:
    try:
        ended = await world.run(experiment.scenarios)
    except Exception as error:  # noqa: BLE001 - a scenario may raise anything
        world.broken.append(f"a client raised {described(error)}{_place(error)}")
        return
    evidence = Evidence(
        ended.app, ended.history, world.disk.store, ended.ledger, opaque=experiment.opaque
    )
    found = check_history(evidence)
    world.unfinished = len(ended.unfinished)
    verdict.violations += found.violations
    verdict.undecided += found.undecided
    if experiment.check is not None and not verdict.violations:
        try:
            await checked_awaitable(experiment.check(ended), "async def check(ended)")
        except Exception as error:  # noqa: BLE001 - a check may raise anything
            world.broken.append(f"check raised {described(error)}{_place(error)}")


def _place(error: Exception) -> str:
    """Where the user's function was when it raised, if it had begun."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = next((f.filename for f in frames if HERE not in Path(f.filename).parents), None)
    lines = [f"{f.filename}:{f.lineno}" for f in frames if f.filename == theirs]
    return f", at {lines[-1]}" if lines else ""


def _told(world: World) -> list[Line]:
    """The trace, with what clients asked and were told in its place."""
    lines = list(world.trace)
    for asked in world.history.operations:
        payload = asked.input if asked.input is not None else ""
        what = f"asks: {asked.kind} {asked.target} {asked.name} {payload}".rstrip()
        failure = ": ".join(asked.failure) if asked.failure is not None else None
        if asked.answered is None:
            lines.append(Line(asked.asked, asked.client, f"{what} (never told; {failure})"))
            continue
        lines.append(Line(asked.asked, asked.client, what))
        said = failure or asked.result or asked.answer
        lines.append(Line(asked.answered, asked.client, f"is told: {said} ({asked.kind})"))
    return sorted(lines, key=lambda line: line.at)


@contextmanager
def _seeded(seed: int) -> Generator[None]:
    """Let activities that draw from `random` draw the same in every run of a seed."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def _logged(world: World) -> Generator[None]:
    """Let the runtime's log go into the trace, and nowhere else."""
    log, handler = logging.getLogger("perdure"), _ToTrace(world)
    propagates, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagates


class _ToTrace(logging.Handler):
    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        """Write it where it happened."""
        message = record.getMessage()
        if message == "a bug in the engine" and record.exc_info is not None:
            self._world.broken.append(f"a bug in the engine: {record.exc_info[1]!r}")
        self._world.tell("log", message)
