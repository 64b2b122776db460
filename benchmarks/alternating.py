"""Measurements one after another, each in a process of its own and right after a floor."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack

from attrs import frozen

from perdure.cli.bench.figures import Beside, Figures, beside, together

from .bench import POSTGRES, Sizes
from .workloads import WORKLOADS, measure, tune_collector

Tell = Callable[[str], object]


@frozen
class Task:
    """What is to be measured."""

    workload: str
    sizes: Sizes
    store: str
    backend: str
    floor: Sizes | None
    """The floor to compare with."""
    workers: int = 1


def task(workload: str, sizes: Sizes, store: str, backend: str, floor: Sizes | None = None) -> Task:
    """A task beside its workload's own floor, unless another is given."""
    known = WORKLOADS.get(workload)
    beside_it = known.floor if known is not None else None
    if floor is None and beside_it is not None:
        floor = beside_it(sizes)
    return Task(workload, sizes, store, backend, floor)


def alone(workload: str, sizes: Sizes, store: str, backend: str, workers: int = 1) -> Figures:
    """Measure in a process of its own, where no earlier workload has left memory behind.

    Several workers are as many processes at once, each of which does all of it: over one hub when
    the URL of a server names it, otherwise each over a store of its own.
    """
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                ProcessPoolExecutor(1, mp_context=spawn, initializer=tune_collector)
            )
            for _ in range(workers)
        ]
        begun = [each.submit(measure, workload, sizes, store, backend) for each in processes]
        rows = [each.result() for each in begun]
    return rows[0] if workers == 1 else together(rows, one_log=store.startswith(POSTGRES))


def alternating(wanted: Task, repeat: int, tell: Tell) -> Beside:
    """Measure floor and workload in turns; `tell` hears what is measured now."""
    rows: list[Figures] = []
    floors: list[Figures] = []
    where = wanted.store, wanted.backend, wanted.workers
    for turn in range(1, repeat + 1):
        tell(f"{wanted.workload} on {wanted.backend}, {turn} of {repeat}")
        if wanted.floor is not None:
            floors.append(alone("floor", wanted.floor, *where))
        rows.append(alone(wanted.workload, wanted.sizes, *where))
    return beside(rows, floors)
