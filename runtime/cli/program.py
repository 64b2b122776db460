"""The program: all commands under one name."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import perdure
from perdure.lint import main as lint

from . import (
    benching,
    checking,
    copies,
    doctor,
    draining,
    entities,
    gantt,
    looking,
    moving,
    purging,
    running,
    starting,
    steering,
    why,
    workers,
)
from .ending import INTERRUPTED
from .session import command


class Program(TyperGroup):
    """Says what is wrong with a command line in one line."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002
        **extra: Any,
    ) -> Any:
        code: Any
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.TyperException as error:
            text = " ".join(error.format_message().split())
            sys.stderr.write(f"perdure: {text} (see perdure --help)\n")
            code = error.exit_code
        except typer.Abort:
            sys.stderr.write("perdure: interrupted\n")
            code = INTERRUPTED
        if standalone_mode:
            sys.exit(code if isinstance(code, int) else 0)
        return code


def _tell_version(asked: bool) -> None:  # noqa: FBT001 - typer gives the option's value
    if asked:
        typer.echo(f"perdure {perdure.__version__}")
        raise typer.Exit


def _perdure(
    ctx: typer.Context,
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Run, watch and steer durable orchestrations and entities."""
    _help_alone(ctx)


def _entity(ctx: typer.Context) -> None:
    """Look at entities."""
    _help_alone(ctx)


def _help_alone(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def _lint(ctx: typer.Context) -> None:
    """Find code that a replay would not repeat, without importing it."""
    raise typer.Exit(lint(ctx.args, prog="perdure lint"))


_COMMANDS: dict[str, dict[str, Callable[..., Any]]] = {
    "Run": {
        "run": running.run,
        "serve": running.serve,
        "host": running.host,
        "bench": benching.bench,
    },
    "Look": {
        "list": looking.listing,
        "count": looking.count,
        "status": looking.status,
        "why": why.why,
        "gantt": gantt.gantt,
        "workers": workers.workers,
    },
    "Steer": {
        "start": starting.start,
        "raise": steering.raise_event,
        "signal": entities.signal,
        "suspend": steering.suspend,
        "resume": steering.resume,
        "terminate": steering.terminate,
        "rewind": steering.rewind,
        "restart": steering.restart,
        "purge": purging.purge,
        "drain": draining.drain,
    },
    "Care": {
        "doctor": doctor.doctor,
        "check": checking.check,
        "backup": copies.backup,
        "export": copies.export,
        "import": copies.import_,
        "move": moving.move,
    },
}
_ENTITY: dict[str, Callable[..., Any]] = {
    "list": entities.listing,
    "read": entities.read,
    "clean": entities.clean,
}


def _group(about: Callable[..., None], **options: Any) -> typer.Typer:
    made = typer.Typer(pretty_exceptions_enable=False, **options)
    made.callback(invoke_without_command=True)(about)
    return made


def _assembled() -> typer.Typer:
    made = _group(_perdure, name="perdure", cls=Program)
    for panel, commands in _COMMANDS.items():
        for name, work in commands.items():
            made.command(name, rich_help_panel=panel)(command(work))
    # It reads its own options.
    passed_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    made.command("lint", rich_help_panel="Care", context_settings=passed_on, add_help_option=False)(
        _lint
    )
    group = _group(_entity)
    for name, work in _ENTITY.items():
        group.command(name)(command(work))
    made.add_typer(group, name="entity", rich_help_panel="Look")
    return made


program = _assembled()
