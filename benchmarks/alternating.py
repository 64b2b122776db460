"""Measurements one after another, each in a process of its own and right after a floor."""

import gc
import multiprocessing
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import BrokenBarrierError

from attrs import frozen

from perdure.cli.bench.figures import Beside, Figures, beside

from .bench import POSTGRES, Sizes, at_hub, drop, needs_hub, new_hub, without_hub
from .workers import Gathering, Part, together
from .workloads import WORKLOADS, measure

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

    Several workers are as many processes at once, each of which does all of it: on one hub of a
    server if the workload is one to share, otherwise each on a hub of its own.
    """
    known = WORKLOADS.get(workload)
    sharing = workers if known is not None and known.shared else 1
    with ExitStack() as stack:
        if sharing > 1:
            store = stack.enter_context(_common(store))
        elif workers > 1:
            # Each makes a hub of its own where the URL names none.
            store = without_hub(store)
        spawn = multiprocessing.get_context("spawn")
        gathering = Gathering(spawn.Barrier(workers) if workers > 1 else None, sharing)
        # Semaphores travel only to a process that is just beginning.
        processes = [
            stack.enter_context(
                ProcessPoolExecutor(
                    1, mp_context=spawn, initializer=_prepare, initargs=(gathering,)
                )
            )
            for _ in range(workers)
        ]
        begun = [each.submit(_measured, workload, sizes, store, backend) for each in processes]
        parts = _results(begun)
    if workers == 1:
        return parts[0].figures
    return together(parts, one_log=store.startswith(POSTGRES))


_gathering = Gathering()


def _prepare(gathering: Gathering) -> None:
    """Make a new process ready."""
    global _gathering  # noqa: PLW0603 - there is no other way into a process of a pool
    _gathering = gathering
    # The collector passes over what is loaded, as docs/performance.md advises.
    gc.collect()
    gc.freeze()


def _measured(workload: str, sizes: Sizes, store: str, backend: str) -> Part:
    return measure(workload, sizes, store, backend, _gathering)


@contextmanager
def _common(store: str) -> Generator[str, None, None]:
    """The URL that all processes open."""
    if not needs_hub(store):
        yield store
        return
    hub = new_hub()
    try:
        yield at_hub(store, hub)
    finally:
        drop(store, hub)


def _results(begun: list[Future[Part]]) -> list[Part]:
    """What all have done; of several failures the one that the others failed for."""
    failures = [failure for each in begun if (failure := each.exception()) is not None]
    failures.sort(key=lambda failure: isinstance(failure, BrokenBarrierError))
    if failures:
        raise failures[0]
    return [each.result() for each in begun]


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
