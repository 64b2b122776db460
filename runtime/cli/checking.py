"""`perdure check`: whether this code would go on with what is stored."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Any

import typer
from attrs import asdict
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from perdure.actors.app import App
from perdure.runtime.fitting import Misfit, NewWork
from perdure.runtime.host import Runtime
from perdure.runtime.leash import Leash
from perdure.runtime.store_check import SECONDS_MAX, Advance, StoreCheck, check_within

from .ending import FAILED
from .loading import load_app
from .printing import Printer
from .running import AppPlace
from .session import Session
from .stores import opened

_ADVICE = {
    "non-determinism": "keep the old code under a version of its own, or let these instances end",
    "missing definition": "register it again, or terminate what needs it",
    "payload": "let the type read what was written, for instance by a default",
    "unreadable": "a newer Perdure wrote it, or it is damaged: see `perdure doctor`",
    "failure": "mend the code, or let these instances end before it is deployed",
    "endless": "let each round of a loop await what has not come yet, or give --seconds-max more",
}


def check(
    session: Session,
    *,
    app: AppPlace,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="So many orchestrations and entities at most, evenly chosen."),
    ] = None,
    seconds_max: Annotated[
        float, typer.Option(help="How long the replay of one may take.")
    ] = SECONDS_MAX,
) -> None:
    """Hold this code against what is unfinished; changes nothing, exit status 1 for misfits."""
    place = session.store("check")
    if not seconds_max > 0:
        raise typer.BadParameter(
            f"it has to be more than 0, not {seconds_max}", param_hint="--seconds-max"
        )
    loaded = load_app(app)
    with closing(opened(place)) as store, _progress() as advance:
        leash = Leash(seconds_max)
        with leash.or_exit():
            found = check_within(leash, _app(loaded), store, sample=sample, progress=advance)
    printer = session.printer
    if printer.as_json:
        for document in _documents(found):
            printer.document(document)
    else:
        _show(printer, found)
    if not found.fits:
        raise typer.Exit(FAILED)


def _app(loaded: App | Runtime) -> App:
    return loaded.app if isinstance(loaded, Runtime) else loaded


def _documents(found: StoreCheck) -> Iterator[dict[str, Any]]:
    yield from (_document("problem", misfit) for misfit in found.misfits)
    for new in found.new_work:
        yield _document("note", Misfit(new.actor_id, new.name, "new work", _further(new)))
    yield {
        "instances": found.instances,
        "entities": found.entities,
        "leftOut": found.left_out,
        "misfits": len(found.misfits),
    }


def _document(level: str, misfit: Misfit) -> dict[str, Any]:
    document = asdict(misfit)
    return {"level": level, "id": document.pop("actor_id"), **document}


def _further(new: NewWork) -> str:
    return f"goes further at its next message: {', '.join(new.what)}"


def _show(printer: Printer, found: StoreCheck) -> None:
    for misfit in found.misfits:
        printer.show(_told(misfit))
    for new in found.new_work:
        printer.show(_noted(new))
    for problem in dict.fromkeys(misfit.problem for misfit in found.misfits):
        printer.text(f"{problem}: {_ADVICE[problem]}")
    summary = f"{found.instances} orchestrations and {found.entities} entities were checked"
    if found.left_out:
        summary += f" ({found.left_out} are not in the sample)"
    ids = {misfit.actor_id for misfit in found.misfits}
    printer.text(f"{summary}; {f'{len(ids)} do not fit' if ids else 'all fit'}")


def _told(misfit: Misfit) -> Text:
    version = f" {misfit.version}" if misfit.version is not None else ""
    line = Text.assemble(
        ("problem", "bold red"),
        f" {misfit.actor_id} ({misfit.name}{version}): {misfit.problem}",
    )
    if misfit.recorded is None:
        line.append(f"\n  {misfit.message}")
    else:
        line.append(f"\n  recorded {misfit.recorded}\n  actual   {misfit.actual}")
    if misfit.source is not None:
        line.append(f"\n  at       {misfit.source}")
    return line


def _noted(new: NewWork) -> Text:
    return Text.assemble(("note", "yellow"), f" {new.actor_id} ({new.name}): {_further(new)}")


@contextmanager
def _progress() -> Generator[Advance]:
    paper = Console(stderr=True)
    columns = TextColumn("checking"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=paper, transient=True, disable=not paper.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
