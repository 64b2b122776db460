"""The command line: which workloads, how much of them, and how the figures are shown."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import orjson
from attrs import evolve

from perdure import StoreError
from perdure.cli.bench.backends import BACKENDS, checked_backend
from perdure.cli.bench.figures import COLUMNS, Beside, Figures, extras, number

from .alternating import alone, alternating, task
from .bench import Sizes, check_place
from .database import SHOWS, server_at
from .ending import ending
from .peers import PEER_WORKLOADS, PEERS, absence
from .results import Wish, write
from .server import NoServerError
from .suite import CASES
from .workloads import WORKLOADS

WIDTHS = [11 if column.words else max(9, len(column.heading)) for column in COLUMNS]
REPEAT = 3
COMPARED = """\
on a PostgreSQL server, the one of --store or else a private one, --repeat times:
  scaleout  hello, signals and transfer by 1, 2 and 4 workers of one hub
  dbos      hello beside DBOS, if that is installed
  takeover  a worker with 10,000 live instances is killed, and another one answers for them"""
BESIDE = ("lowest", "highest", "of floor")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the arguments ask for, one after another."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.workers > 1 and asked.store.startswith("sqlite:///"):
        parser.error("one process at a time runs a file: with --workers say --store sqlite")
    try:
        check_place(asked.store)
    except (StoreError, ModuleNotFoundError) as error:
        parser.error(str(error))
    with ending():
        _measure(parser, asked)


def _measure(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    if any(name in SHOWS for name in asked.workloads):
        _compare(parser, asked)
        return
    if asked.results:
        _write(parser, asked)
        return
    tasks = [
        evolve(
            task(name, _sizes(name, asked), asked.store, asked.backend or "asyncio"),
            workers=asked.workers,
        )
        for name in asked.workloads or WORKLOADS
    ]
    if not asked.json:
        headings = [column.heading for column in COLUMNS]
        _print_line([*headings, *BESIDE] if asked.repeat else headings)
    for each in tasks:
        if asked.repeat:
            _show_beside(alternating(each, asked.repeat, _tell), as_json=asked.json)
        else:
            row = alone(each.workload, each.sizes, each.store, each.backend, each.workers)
            _show(row, as_json=asked.json)


def _write(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """Write the page; what would spoil it is told before anything is measured."""
    if asked.count or asked.concurrency or asked.steps or asked.json or asked.workers > 1:
        parser.error("--results has its own sizes and shape: leave the others out")
    known = {case.workload for case in CASES}
    if strange := [name for name in asked.workloads if name not in known]:
        parser.error(f"{', '.join(strange)} has no place in --results: leave it out")
    if not asked.results.parent.is_dir() or asked.results.is_dir():
        parser.error(f"{asked.results} cannot be written: name a file in a folder that exists")
    backends = [asked.backend] if asked.backend else [*_installed()]
    wanted = [case for case in CASES if case.workload in (asked.workloads or known)]
    write(Wish(asked.store, backends, asked.repeat or REPEAT, wanted), asked.results)


def _compare(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """Show what is measured on a server only."""
    if len(asked.workloads) > 1:
        parser.error(f"{', '.join(SHOWS)} are measured alone: leave other workloads out")
    if asked.count or asked.concurrency or asked.steps or asked.results or asked.workers > 1:
        parser.error(f"{asked.workloads[0]} has its own sizes and shape: leave the others out")
    if asked.backend not in {None, "asyncio"}:
        parser.error(f"{asked.workloads[0]} is measured on asyncio: leave --backend out")
    try:
        with server_at(asked.store) as url:
            show = SHOWS[asked.workloads[0]]
            show(url, asked.repeat or 1, _tell, as_json=asked.json)
    except NoServerError as error:
        parser.error(f"no server could be started ({error}): say --store postgresql://...")


def _sizes(name: str, asked: argparse.Namespace) -> Sizes:
    given = {"count": asked.count, "concurrency": asked.concurrency, "steps": asked.steps}
    changes = {key: value for key, value in given.items() if value is not None}
    return evolve((WORKLOADS | PEER_WORKLOADS)[name].sizes, **changes)


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
        epilog=f"workloads, and how much of them unless told otherwise:\n{known}\n\n{COMPARED}",
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
    parser.add_argument(
        "--backend", type=_backend, help=f"{', '.join(BACKENDS)} (default: asyncio)"
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        default=1,
        help="so many processes at once: on the hub that a PostgreSQL URL names, else each on "
        "a store of its own",
    )
    parser.add_argument(
        "--repeat",
        type=_positive,
        help="measure each as often, every time right after its floor, and show medians",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="measure the cases that have targets, in their own sizes, on all backends and beside "
        f"peers, {REPEAT} times unless --repeat says otherwise; write them as a page of Markdown",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object per line")
    return parser


def _installed() -> Iterator[str]:
    for name in BACKENDS:
        with suppress(ValueError):
            yield checked_backend(name)


def _workload(text: str) -> str:
    if text not in WORKLOADS | PEER_WORKLOADS | SHOWS:
        known = ", ".join([*WORKLOADS, *SHOWS])
        raise argparse.ArgumentTypeError(f"there is no workload {text!r}, only {known}")
    peer = next((peer for peer in PEERS if text.startswith(f"{peer.name}:")), None)
    if peer is not None and (why := absence(peer)):
        raise argparse.ArgumentTypeError(why)
    return text


def _backend(text: str) -> str:
    try:
        return checked_backend(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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


def _show(row: Figures, *, as_json: bool, beside: Sequence[str] = ()) -> None:
    if as_json:
        _print_json(row.document())
        return
    _print_line([*(column.text(row) for column in COLUMNS), *beside])
    if row.extra:
        print(f"  {extras(row)}", flush=True)


def _show_beside(found: Beside, *, as_json: bool) -> None:
    if as_json:
        _print_json(found.document())
        return
    _show(
        found.middle,
        as_json=False,
        beside=(number(found.slowest), number(found.fastest), number(found.ratio, 2)),
    )


def _print_line(cells: Sequence[str]) -> None:
    texts = [
        cell.ljust(width) if column.words else cell.rjust(width)
        for cell, width, column in zip(cells, WIDTHS, COLUMNS, strict=False)
    ]
    print("  ".join([*texts, *(cell.rjust(9) for cell in cells[len(COLUMNS) :])]), flush=True)


def _print_json(document: object) -> None:
    sys.stdout.write(orjson.dumps(document).decode() + "\n")
    sys.stdout.flush()


def _tell(text: str) -> None:
    """Show what is measured now, where somebody looks on."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text} ")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
