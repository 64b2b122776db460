"""What every command has: the options that all share, a target, and a way to print."""

import inspect
import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer
from attrs import define, field, fields, frozen, has

from .ending import USAGE, CommandError, telling
from .moments import read_moment
from .printing import Printer
from .stored import stored
from .stores import VARIABLE, Place, existing, named, place_of
from .target import Target

_PANEL = "Options of all commands"
_SHARED = "shared"
_URL_VARIABLE = "PERDURE_URL"

Store = Annotated[
    str | None,
    typer.Option(
        help=f"A file, or postgresql://host/database?hub=name; else {VARIABLE}, else perdure.db.",
        rich_help_panel=_PANEL,
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        help="A service's management API, instead of a store; else PERDURE_URL.",
        rich_help_panel=_PANEL,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(help="A key of that API.", envvar="PERDURE_KEY", rich_help_panel=_PANEL),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print lines of JSON.", rich_help_panel=_PANEL)
]
Utc = Annotated[
    bool,
    typer.Option("--utc", help="Times in UTC instead of local ones.", rich_help_panel=_PANEL),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show tracebacks of errors.", rich_help_panel=_PANEL)
]


@frozen(kw_only=True)
class Shared:
    """The options that all commands have."""

    store: Store = None
    url: Url = None
    key: Key = None
    as_json: AsJson = False
    utc: Utc = False
    debug: Debug = False


@define
class Session:
    """One run of a command."""

    shared: Shared
    printer: Printer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.printer = Printer(self.shared.as_json, self.zone)

    @property
    def zone(self) -> tzinfo | None:
        """The zone of times that people read and write; None for the local one."""
        return UTC if self.shared.utc else None

    @property
    def named(self) -> str:
        """The store that was asked for, whether it is there or not, as path or URL."""
        return named(self.shared.store)

    @property
    def url(self) -> str | None:
        """The API that was asked for; an option counts more than the environment."""
        shared = self.shared
        if shared.url is not None and shared.store is not None:
            raise CommandError("--store and --url are two ways to the same: give one", USAGE)
        if shared.url is not None or shared.store is not None:
            return shared.url
        return os.environ.get(_URL_VARIABLE) or None

    @asynccontextmanager
    async def target(self) -> AsyncGenerator[Target]:
        """What to speak to: the file or the API."""
        url = self.url
        if url is None:
            async with stored(existing(place_of(self.named))) as target:
                yield target
            return
        from .remote import remote  # noqa: PLC0415 - httpx takes a while to be imported

        key = self.shared.key
        async with remote(url, checked_key(key, "--key") if key else None) as target:
            yield target

    def store(self, command: str, *, exists: bool = True) -> Place:
        """Where the store is, for commands that need it itself."""
        if self.shared.url is not None or (self.url is not None and VARIABLE not in os.environ):
            raise CommandError(
                f"{command} works on the store itself, not over HTTP: give --store", USAGE
            )
        place = place_of(self.named)
        return existing(place) if exists else place

    def moment(self, text: str | None, option: str, *, ahead: bool = False) -> datetime | None:
        """The time that an option says."""
        if text is None:
            return None
        return read_moment(text, option, zone=self.zone, ahead=ahead)


def command(work: Callable[..., Any]) -> Callable[..., None]:
    """Make a command of a function of a session and of its own options.

    A parameter annotated with an attrs class stands for an option per field. The command has the
    options of `Shared` besides. An async function gets an event loop.
    """
    own = [*inspect.signature(work, eval_str=True).parameters.values()][1:]
    groups = {each.name: each.annotation for each in own if has(each.annotation)}
    groups[_SHARED] = Shared

    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{each.name: given.pop(each.name) for each in fields(group)})
        shared: Shared = given.pop(_SHARED)
        with telling(debug=shared.debug):
            bound = partial(work, Session(shared), **given)
            if inspect.iscoroutinefunction(work):
                anyio.run(bound)
            else:
                bound()

    parameters = [
        *(option for each in own for option in _options(each)),
        *_options_of(Shared),
    ]
    run.__doc__ = work.__doc__
    run.__name__ = work.__name__
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    vars(run)["__signature__"] = inspect.Signature(parameters)
    return run


def _options(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    if has(parameter.annotation):
        return _options_of(parameter.annotation)
    return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]


def _options_of(group: type[Any]) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.default,
            annotation=option.type,
        )
        for option in fields(group)
    ]


def checked_key(key: str, option: str) -> str:
    """The key, which can be sent as it is; what is wrong with it is told without showing it."""
    if not key or not key.isascii() or not key.isprintable():
        variable = option.removeprefix("--").replace("-", "_").upper()
        raise CommandError(
            f"{option} (or PERDURE_{variable}) has to be a text of printable ASCII characters",
            USAGE,
        )
    return key


def json_input(text: str | None, argument: str) -> list[Any]:
    """The value that an argument says as JSON, `@file` or `-` (stdin); nothing for None."""
    if text is None:
        return []
    if text == "-":
        text = _utf8(typer.get_binary_stream("stdin").read(), argument, "stdin")
    elif text.startswith("@"):
        try:
            text = _utf8(Path(text[1:]).read_bytes(), argument, text[1:])
        except OSError as error:
            problem = error.strerror or error
            raise CommandError(
                f"cannot read {argument} from {text[1:]}: {problem}", USAGE
            ) from error
    try:
        return [json.loads(text, parse_constant=_refuse)]
    except RecursionError:
        raise CommandError(f"{argument} is nested too deeply", USAGE) from None
    except ValueError as error:
        quoted = json.dumps(text[:40])
        raise CommandError(
            f"{argument} is no JSON ({error}); a text is written in quotes: '{quoted}'", USAGE
        ) from error


def _utf8(given: bytes, argument: str, source: str) -> str:
    try:
        return given.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{argument} from {source} is no UTF-8 (byte {error.start + 1}): convert it, as by "
            "`iconv -t UTF-8`",
            USAGE,
        ) from error


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
