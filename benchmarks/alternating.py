"""Measurements one after another, each in a process of its own and right after a floor."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from attrs import frozen

from perdure.cli.bench.figures import Beside, Figures, beside

from .bench import Sizes
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


def task(workload: str, sizes: Sizes, store: str, backend: str, floor: Sizes | None = None) -> Task:
    """A task beside its workload's own floor, unless another is given."""
    known = WORKLOADS.get(workload)
    beside_it = known.floor if known is not None else None
    if floor is None and beside_it is not None:
        floor = beside_it(sizes)
    return Task(workload, sizes, store, backend, floor)


def alone(workload: str, sizes: Sizes, store: str, backend: str) -> Figures:
    """Measure in a process of its own, where no earlier workload has left memory behind."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=tune_collector) as process:
        return process.submit(measure, workload, sizes, store, backend).result()


def alternating(wanted: Task, repeat: int, tell: Tell) -> Beside:
    """Measure floor and workload in turns; `tell` hears what is measured now."""
    rows: list[Figures] = []
    floors: list[Figures] = []
    for turn in range(1, repeat + 1):
        tell(f"{wanted.workload} on {wanted.backend}, {turn} of {repeat}")
        if wanted.floor is not None:
            floors.append(alone("floor", wanted.floor, wanted.store, wanted.backend))
        rows.append(alone(wanted.workload, wanted.sizes, wanted.store, wanted.backend))
    return beside(rows, floors)
