"""`perdure bench`: a program's own orchestration under load."""

import json
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from perdure.actors.errors import DefinitionNotFoundError
from perdure.runtime.host import Runtime

from .bench.backends import BACKENDS, checked_backend
from .bench.figures import COLUMNS, Beside, Figures, number
from .bench.scenario import Advance, Load, Outcome, put_under_load
from .ending import FAILED, NOT_FOUND, USAGE, CommandError
from .loading import load_app
from .running import AppPlace
from .session import Session, json_input
from .stores import url_to_run


def bench(
    session: Session,
    app: AppPlace,
    scenario: Annotated[str, typer.Argument(help="The orchestration's name.")],
    input: Annotated[  # noqa: A002 - what users call it
        str | None, typer.Option(help="Its input as JSON; @file, or - for stdin.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many of them.")] = 1_000,
    concurrency: Annotated[int, typer.Option(min=1, help="How many at a time.")] = 100,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds for all of them.")] = 300,
    backend: Annotated[str, typer.Option(help=f"{', '.join(BACKENDS)}.")] = "asyncio",
) -> None:
    """Run an orchestration many times; shows what it costs, beside the same commits by hand.

    Over a new file, which is deleted afterwards, unless --store names another place.
    """
    load = _load(app, scenario, input, count, concurrency, timeout)
    try:
        library, options = BACKENDS[checked_backend(backend)]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--backend") from None
    with _place(session) as url, _progress(count) as advance:
        work = partial(put_under_load, load, url, advance, backend)
        outcome, found = anyio.run(work, backend=library, backend_options=options)
    if found is not None:
        _show(session, found)
    _tell(session, outcome)


def _load(
    place: str,
    name: str,
    given: str | None,
    count: int,
    concurrency: int,
    timeout: float,
) -> Load:
    found = load_app(place)
    # The store of a Runtime is the one that the program works with: it is left alone.
    runtime = found if isinstance(found, Runtime) else Runtime(found)
    app = runtime.app
    try:
        definition = app.orchestration_of(name)
    except DefinitionNotFoundError as error:
        raise CommandError(str(error), NOT_FOUND) from error
    text = None if given is None else json.dumps(*json_input(given, "--input"))
    arguments = definition.signature.read(app.codec, text, "--input")
    return Load(
        app=app,
        settings=runtime.settings,
        name=name,
        arguments=arguments,
        count=count,
        concurrency=concurrency,
        timeout=timeout,
    )


@contextmanager
def _place(session: Session) -> Generator[str]:
    if session.shared.url is not None:
        raise CommandError("bench runs the App itself, and not over HTTP: leave --url out", USAGE)
    # Not the store of the environment: a load is nothing that one does by oversight.
    given = session.shared.store
    if given is not None:
        yield url_to_run(given)
        return
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'bench.db'}"


@contextmanager
def _progress(count: int) -> Generator[Advance]:
    columns = TextColumn("running"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    paper = Console(stderr=True)
    # Drawn seldom, as it takes time from what is measured.
    with Progress(
        *columns,
        console=paper,
        transient=True,
        disable=not paper.is_terminal,
        refresh_per_second=2,
    ) as bar:
        task = bar.add_task("", total=count)
        if bar.disable:
            yield lambda: None
        else:
            yield lambda: bar.advance(task)


def _show(session: Session, found: Beside) -> None:
    if session.printer.as_json:
        session.printer.document(_document(found))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in COLUMNS:
        table.add_column(column.heading, justify="left" if column.words else "right")
    table.add_column("of floor", justify="right")
    _add(table, found.middle, number(found.ratio, 2))
    if found.floor is not None:
        _add(table, found.floor, "")
    session.printer.show(table)


def _add(table: Table, row: Figures, ratio: str) -> None:
    table.add_row(*(column.text(row) for column in COLUMNS), ratio)


def _document(found: Beside) -> dict[str, object]:
    return {_camel(key): value for key, value in found.document().items()}


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _tell(session: Session, outcome: Outcome) -> None:
    load, store = outcome.load, session.shared.store
    if store is not None and not store.startswith("memory:"):
        session.printer.remark(
            f"the instances stay in {store}: "
            f"`perdure purge --prefix {outcome.prefix} --store {store}` deletes those that ended"
        )
    if not outcome.all_ended:
        raise TimeoutError(
            f"{outcome.ended} of {load.count} had ended after {load.timeout} s; {_rest(outcome)}"
        )
    if outcome.failures:
        raise CommandError(
            f"{len(outcome.failures)} of {load.count} failed, the first: {outcome.failures[0]}",
            FAILED,
        )


def _rest(outcome: Outcome) -> str:
    """What is about those that had not ended."""
    stuck = outcome.stuck
    if stuck is None:
        return "the others had not begun: give them more with --timeout"
    waiting = ", ".join(f"{each.kind} {each.name}" for each in stuck.waiting_for or ())
    parked = f"; it is parked: {stuck.parked.message}" if stuck.parked else ""
    return f"{stuck.instance_id} waits for {waiting or 'its turn'}{parked}"
