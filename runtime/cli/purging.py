"""`perdure purge`: delete what has ended."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from perdure.actors.status import TERMINAL

from .arguments import FilterOptions
from .completion import complete_instance
from .ending import USAGE, CommandError
from .session import Session
from .target import Filters, Target


async def purge(
    session: Session,
    *,
    which: FilterOptions,
    instance_ids: Annotated[
        list[str] | None,
        typer.Argument(
            help="The instances; without any, those that all options allow.",
            autocompletion=complete_instance,
            show_default=False,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that have ended.")] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Children of the named ones too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete instances that have ended, with their histories. There is no way back."""
    wanted = which.filters(session)
    _check(wanted, instance_ids or [], every=every, recursive=recursive)
    async with session.target() as target:
        if instance_ids:
            _confirm(f"{len(instance_ids)} instances", yes=yes)
            count = 0
            for instance_id in instance_ids:
                count += await target.purge(instance_id, recursive=recursive)
        else:
            count = await _purge_by(target, wanted, yes=yes)
    if session.printer.as_json:
        session.printer.document({"instancesDeleted": count})
    else:
        session.printer.text(f"{count} instances deleted")


def _check(wanted: Filters, instance_ids: list[str], *, every: bool, recursive: bool) -> None:
    if bool(instance_ids) + bool(wanted) + every != 1:
        raise CommandError("say which: ids, filters such as --status Failed, or --all", USAGE)
    if running := [status.label for status in wanted.statuses if not status.is_terminal]:
        raise CommandError(
            f"only ended instances can be purged, not {', '.join(running)}: terminate them first",
            USAGE,
        )
    if recursive and not instance_ids:
        raise CommandError("--recursive goes with ids, not with filters", USAGE)


async def _purge_by(target: Target, wanted: Filters, *, yes: bool) -> int:
    counts = await target.count(wanted)
    total = sum(number for status, number in counts.items() if status in TERMINAL)
    if not total:
        return 0
    _confirm(f"{total} instances in {target.place}", yes=yes)
    columns = TextColumn("purging"), BarColumn(), MofNCompleteColumn()
    paper = Console(stderr=True)
    with Progress(*columns, console=paper, transient=True, disable=not paper.is_terminal) as bar:
        task = bar.add_task("", total=total)
        return await target.purge_by(wanted, lambda done: bar.update(task, completed=done))


def _confirm(what: str, *, yes: bool) -> None:
    if yes:
        return
    if not _can_ask():
        raise CommandError(f"would delete {what}: say --yes, as nobody can be asked", USAGE)
    if not typer.confirm(f"Delete {what} for ever?", err=True):
        raise CommandError("nothing is deleted")


def _can_ask() -> bool:
    return sys.stdin.isatty()
