"""The shortest run that still goes wrong in the same way: leave out all that it does not need."""

import time
from collections.abc import Callable, Iterator

from attrs import evolve

from .choices import Quieted
from .run import Experiment, Run, run_seed

RUNS_MAX = 400
SECONDS_MAX = 30.0
"""So long a failure is made shorter, and no longer."""

Again = Callable[[Quieted], bool]


def shortest(experiment: Experiment, failed: Run) -> Run:
    """A run of the same seed that fails by the same rule, and does less."""
    search = _Search(experiment, failed)
    improved = True
    while improved and search.goes_on:
        improved = False
        for smaller in _smaller(search):
            improved |= search.attempt(smaller)
    return search.best


class _Search:
    def __init__(self, experiment: Experiment, failed: Run) -> None:
        self.best = failed
        self._experiment = experiment
        self._rule = rule_of(failed)
        self._runs = 0
        self._until = time.monotonic() + SECONDS_MAX

    @property
    def goes_on(self) -> bool:
        return self._runs < RUNS_MAX and time.monotonic() < self._until

    def attempt(self, smaller: Quieted) -> bool:
        """Whether a run with less in it still fails in the same way; then it is the best."""
        if not self.goes_on or smaller == self.best.quieted:
            return False
        self._runs += 1
        run = run_seed(self._experiment, self.best.seed, smaller)
        if not run.failed or rule_of(run) != self._rule or _weight(run) >= _weight(self.best):
            return False
        self.best = run
        return True


def rule_of(run: Run) -> str:
    """In which way a run goes wrong."""
    return run.problems[0].partition(":")[0]


def _weight(run: Run) -> tuple[int, int, int, int]:
    quieted = len(run.quieted.streams) + len(run.quieted.draws)
    return len(run.faults), sum(run.requests.values()), len(run.trace), -quieted


def _smaller(search: _Search) -> Iterator[Quieted]:
    """Ways to leave something out of the best run up to now, the largest first."""
    run = search.best
    for client in run.requests:
        yield evolve(search.best.quieted, clients=search.best.quieted.clients | {client})
    yield from _fewer_faults(search)
    for client in run.requests:
        yield from _fewer_requests(search, client)
        yield from _lesser_draws(search, client)
    quieted = search.best.quieted
    yield evolve(quieted, streams=frozenset(run.streams))
    for stream in run.streams:
        yield evolve(search.best.quieted, streams=search.best.quieted.streams | {stream})


def _fewer_faults(search: _Search) -> Iterator[Quieted]:
    size = len(search.best.faults)
    while size:
        faults = search.best.faults
        for start in range(0, len(faults), size):
            out = search.best.quieted.faults | frozenset(faults[start : start + size])
            yield evolve(search.best.quieted, faults=out)
        size //= 2


def _fewer_requests(search: _Search, client: int) -> Iterator[Quieted]:
    made = search.best.requests.get(client, 0)
    left = made
    while left:
        left //= 2
        yield _with_requests(search.best.quieted, client, made - max(left, 1))


def _with_requests(quieted: Quieted, client: int, most: int) -> Quieted:
    others = tuple(pair for pair in quieted.requests if pair[0] != client)
    return evolve(quieted, requests=(*others, (client, most)))


def _lesser_draws(search: _Search, client: int) -> Iterator[Quieted]:
    drawn = search.best.draws.get(client, 0)
    for least_from in sorted({0, drawn // 4, drawn // 2, drawn - 1} & set(range(drawn))):
        quieted = search.best.quieted
        others = tuple(pair for pair in quieted.draws if pair[0] != client)
        yield evolve(quieted, draws=(*others, (client, least_from)))
