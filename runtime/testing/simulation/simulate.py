"""The face of the simulation: run seeds until one fails, and tell why."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sniffio
from attrs import Factory, define

from perdure.actors.app import App
from perdure.persistence.memory import MemoryStore
from perdure.persistence.store import Store
from perdure.runtime.checked import checked_count, checked_function, checked_kind, checked_names
from perdure.runtime.host import Runtime

from ..environment import Environment
from .faults import Faults
from .run import Check, Experiment, Run, run_seed
from .shrinking import shortest
from .world import Scenario


@define
class SimulationReport:
    """What was simulated, and held."""

    seeds: int = 0
    commits: int = 0
    requests: int = 0
    virtual_seconds: float = 0.0
    seconds: float = 0.0
    faults: Counter[str] = Factory(Counter[str])
    """By kind."""
    undecided: Counter[str] = Factory(Counter[str])
    """What the checker could not decide, with the number of seeds."""
    unfinished: int = 0
    """How many clients still waited when nothing was left that could happen."""

    def __str__(self) -> str:
        faults = ", ".join(f"{kind} {times}" for kind, times in sorted(self.faults.items()))
        text = (
            f"{self.seeds} seeds in {self.seconds:.1f} s: {self.requests} requests, "
            f"{self.commits} commits, {self.faults.total()} faults in "
            f"{self.virtual_seconds / 3600:.1f} virtual hours ({faults or 'none'})"
        )
        if self.unfinished:
            text += f"\n{self.unfinished} clients still waited in the end"
        for what, times in sorted(self.undecided.items()):
            text += f"\nundecided in {times} seeds: {what}"
        return text


class SimulationFailure(AssertionError):  # noqa: N818 - what a test run calls it
    """Raised when a seed fails: says which, what is wrong, and how it came to that."""

    def __init__(self, first: Run, run: Run) -> None:
        self.seed = run.seed
        self.problems = run.problems
        self.trace = [str(line) for line in run.trace]
        self.faults = run.faults
        """Those that the shortest trace needs."""
        faults = ", ".join(run.faults) or "none"
        super().__init__(
            "\n".join(
                [
                    f"seed {run.seed} fails; repeat it with simulate(..., seed={run.seed})",
                    *run.problems,
                    f"faults: {faults} (of {len(first.faults)})",
                    f"the shortest trace, of {len(first.trace)} lines {len(run.trace)}:",
                    *self.trace,
                ]
            )
        )


def simulate(
    app: App,
    scenario: Scenario | Sequence[Scenario],
    *,
    seeds: int = 200,
    first_seed: int = 0,
    seed: int | None = None,
    seconds: float | None = None,
    faults: Faults | None = None,
    check: Check | None = None,
    stubs: Mapping[Any, Any] | None = None,
    opaque: Sequence[Any] = (),
    store: Callable[[], Store] = MemoryStore,
    shrink: bool = True,
    progress: Callable[[SimulationReport], object] | None = None,
    **settings: Any,
) -> SimulationReport:
    """Run an App through many lives, each with its own chances and faults; raises if one is wrong.

    `scenario` is `async def scenario(client, chances)`, what one client does: `client` is a
    `Client` whose requests may be lost, `chances` a `random.Random` that belongs to the seed. Of
    several scenarios each is a client. One that ends with `DisconnectedError` or `StoreError` has
    got no answer, and that is no failure; any other exception is.

    Seeds from `first_seed` on are run, `seeds` of them, or as many as `seconds` allow; or only
    `seed`. `check` is `async def check(ended)`, called when nothing is left to happen: it looks at
    the end with `ended.client` and raises if it is wrong. The history checker always looks.

    `stubs` stand in for activities that need the outside world, as in `Environment.stub`. `opaque`
    entities have code that depends on more than state and input, so that no order is looked for.
    `store` makes an empty store for each seed, which is closed after it. `progress` is called after
    each seed. Other keywords are settings of the runtimes; what is not given is chosen by chance.

    Raises `SimulationFailure`, with the shortest trace that was found if `shrink`; before any
    seed `ValueError` and `TypeError` for what cannot be run, and `DefinitionNotFoundError` for an
    unknown name in `opaque`.
    """
    _refuse_running_loop()
    _refuse_no_seeds(seeds, seconds, first_seed if seed is None else seed)
    if progress is not None:
        checked_function(progress, "progress is a function of a SimulationReport")
    experiment = prepared(
        app,
        scenario,
        faults=faults,
        check=check,
        stubs=stubs,
        opaque=opaque,
        store=store,
        **settings,
    )
    report, began = SimulationReport(), time.monotonic()
    number = first_seed if seed is None else seed
    while True:
        run = run_seed(experiment, number)
        _add(report, run, time.monotonic() - began)
        if run.failed:
            raise SimulationFailure(run, shortest(experiment, run) if shrink else run)
        if progress is not None:
            progress(report)
        number += 1
        enough = report.seeds >= seeds if seconds is None else report.seconds >= seconds
        if seed is not None or enough:
            return report


def prepared(
    app: App,
    scenario: Scenario | Sequence[Scenario],
    *,
    faults: Faults | None = None,
    check: Check | None = None,
    stubs: Mapping[Any, Any] | None = None,
    opaque: Sequence[Any] = (),
    store: Callable[[], Store] = MemoryStore,
    **settings: Any,
) -> Experiment:
    """What `simulate` runs for each seed."""
    Runtime(app, MemoryStore(), **settings)  # a wrong setting is no failure of a seed
    checked_kind(faults, (Faults, type(None)), "faults is Faults(...) or Faults.none()")
    if check is not None:
        checked_function(check, "check is `async def check(ended)`")
    checked_function(store, "store is a function that makes an empty store, such as MemoryStore")
    checked_names("opaque", opaque)
    return Experiment(
        app=_stubbed(app, stubs or {}),
        scenarios=_scenarios(scenario),
        faults=faults if faults is not None else Faults(),
        check=check,
        opaque=[app.entity_of(entity).name for entity in opaque],
        store=store,
        settings=settings,
    )


def _refuse_running_loop() -> None:
    try:
        sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return
    raise RuntimeError("simulate has an event loop of its own: call it from a sync test")


def _refuse_no_seeds(seeds: int, seconds: float | None, first: object) -> None:
    if not isinstance(first, int):
        raise TypeError(f"a seed is a whole number, not {first!r}")
    checked_count("seeds", seeds, 1)
    checked_kind(seconds, (int, float, type(None)), "seconds is a number")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds must be more than 0, not {seconds!r}")


def _scenarios(given: Scenario | Sequence[Scenario]) -> list[Scenario]:
    scenarios = [given] if callable(given) else [*(given or ())]
    for scenario in scenarios:
        checked_function(scenario, "a scenario is `async def scenario(client, chances)`")
    if not scenarios:
        raise ValueError("there is no scenario: give at least one, such as simulate(app, [buy])")
    return scenarios


def _stubbed(app: App, stubs: Mapping[Any, Any]) -> App:
    """The App with its stand-ins."""
    checked_kind(stubs, Mapping, "stubs is a dict, such as {charge: fake_charge}")
    environment = Environment(app)
    for activity, outcome in stubs.items():
        environment.stub(activity, outcome)
    return environment.app


def _add(report: SimulationReport, run: Run, seconds: float) -> None:
    report.seeds += 1
    report.seconds = seconds
    report.commits += run.commits
    report.requests += sum(run.requests.values())
    report.virtual_seconds += run.micros / 1_000_000
    report.faults.update(name.rpartition(" ")[0] for name in run.faults)
    report.unfinished += run.unfinished
    report.undecided.update(set(run.undecided))
