"""The command line: which workloads, how much of them, and how the figures are shown."""

import argparse
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import orjson
from attrs import asdict, evolve, fields

from .bench import Row, Sizes
from .workloads import WORKLOADS, measure, tune_collector

BACKENDS = ("asyncio", "trio")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the arguments ask for, one after another."""
    asked = _parser().parse_args(arguments)
    show: Callable[[Row], None] = _json_line if asked.json else _table_line
    if not asked.json:
        print("  ".join(_heading(name) for name in _columns()))
    for name in asked.workloads or WORKLOADS:
        sizes = _sizes(name, asked.count, asked.concurrency, asked.steps)
        show(_measure_alone(name, sizes, asked.store, asked.backend))


def _sizes(name: str, count: int | None, concurrency: int | None, steps: int | None) -> Sizes:
    given = {"count": count, "concurrency": concurrency, "steps": steps}
    changes = {key: value for key, value in given.items() if value is not None}
    return evolve(WORKLOADS[name].sizes, **changes)


def _measure_alone(name: str, sizes: Sizes, store: str, backend: str) -> Row:
    """Measure in a process of its own, where no earlier workload has left memory behind."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=tune_collector) as process:
        return process.submit(measure, name, sizes, store, backend).result()


# What is asked for


def _parser() -> argparse.ArgumentParser:
    known = "\n".join(
        f"  {name:<10}{workload.about} "
        f"(count {workload.sizes.count}, concurrency {workload.sizes.concurrency}, "
        f"steps {workload.sizes.steps})"
        for name, workload in WORKLOADS.items()
    )
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description="What Perdure does in a second.",
        epilog=f"workloads, and how much of them unless told otherwise:\n{known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "workloads", nargs="*", type=_workload, metavar="workload", help="which (default: all)"
    )
    parser.add_argument("--count", type=_positive, help="how often the workload is done")
    parser.add_argument("--concurrency", type=_positive, help="how many of them at a time")
    parser.add_argument("--steps", type=_positive, help="how much one of them does")
    parser.add_argument(
        "--store",
        type=_store,
        default="sqlite",
        help="memory, sqlite (a temporary file, the default) or the URL of a store; "
        "a hub in PostgreSQL that the URL does not name is new, and dropped afterwards",
    )
    parser.add_argument("--backend", choices=BACKENDS, default="asyncio")
    parser.add_argument("--json", action="store_true", help="print a JSON object per line")
    return parser


def _workload(text: str) -> str:
    if text not in WORKLOADS:
        known = ", ".join(WORKLOADS)
        raise argparse.ArgumentTypeError(f"there is no workload {text!r}, only {known}")
    return text


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def _store(text: str) -> str:
    if text in {"memory", "sqlite"} or text.startswith(("sqlite:///", "postgresql://")):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is not memory, sqlite, sqlite:///file.db or postgresql://host/database"
    )


# How it is shown


def _columns() -> list[str]:
    return [column.name for column in fields(Row)]


def _heading(name: str) -> str:
    return name.ljust(10) if name in {"workload", "store", "backend"} else name.rjust(12)


def _table_line(row: Row) -> None:
    values = [getattr(row, name) for name in _columns()]
    texts = [v.ljust(10) if isinstance(v, str) else f"{v:>12,}" for v in values]
    print("  ".join(texts), flush=True)


def _json_line(row: Row) -> None:
    sys.stdout.write(orjson.dumps(asdict(row)).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
