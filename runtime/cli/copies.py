"""`perdure backup`, `export` and `import`: what there is, kept elsewhere."""

import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import typer
from attrs import define, field

from perdure.actors.errors import StoreInUseError
from perdure.persistence.archive import ArchiveError, read_whole, write_whole
from perdure.persistence.file_sync import sync
from perdure.persistence.records import Query, Whole
from perdure.persistence.sqlite_backup import back_up
from perdure.persistence.sqlite_checkup import damaged_rows
from perdure.persistence.store import Store
from perdure.runtime.client.queries import optional_micros

from .arguments import FilterOptions
from .completion import complete_instance
from .ending import CONFLICT, NOT_FOUND, USAGE, CommandError
from .findings import listed
from .progress import progress
from .session import Session
from .stores import Database, Place, opened
from .target import Filters

_AT_ONCE = 100
_NAMED_MAX = 5


def backup(
    session: Session,
    *,
    target: Annotated[Path, typer.Argument(help="The new file.", show_default=False)],
) -> None:
    """Copy a store while it is in use: whole, consistent, checked."""
    source = session.store("backup")
    if isinstance(source, Database):
        raise CommandError(
            f"backup copies a file, and {source} is a hub in PostgreSQL: "
            f"`pg_dump --schema={source.hub}` copies it, `perdure move` moves it into a file",
            USAGE,
        )
    if target.exists():
        raise CommandError(f"{target} exists already: name a new file for the backup", CONFLICT)
    with progress("copying") as advance:
        size = back_up(source, target, advance)
    damaged = damaged_rows(target)
    document = {"path": str(target), "bytes": size, "damaged": damaged.count}
    _tell(session, document, f"{target} is a backup of {source}, {size} bytes")
    if damaged.count:
        named = [problem.partition(" is damaged")[0] for problem in damaged.first[:_NAMED_MAX]]
        raise CommandError(
            f"damaged in {source}, and so in its backup: {listed(damaged.count, named)}; "
            "keep the backups of before, and see `perdure doctor`"
        )


def export(
    session: Session,
    *,
    which: FilterOptions,
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            help="Instances and entities; without any and without filters all.",
            autocompletion=complete_instance,
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new file, instead of stdout.")
    ] = None,
) -> None:
    """Write instances and entities, whole and as of one moment, as lines of JSON."""
    wanted = which.filters(session)
    if ids and wanted:
        raise CommandError("give ids or filters, not both", USAGE)
    place = session.store("export")
    with closing(opened(place)) as store:
        chosen = [*_matching(store, wanted)] if wanted else ids or None
        with progress("exporting") as advance, _opened(output) as out:
            count = 0
            left = set(ids or ())
            for whole in store.export(chosen):
                out.write(write_whole(whole) + b"\n")
                count += 1
                left.discard(whole.id)
                advance(count, len(chosen) if chosen else None)
    if output is not None:
        _tell(session, {"path": str(output), "exported": count}, f"{count} written to {output}")
    if left:
        raise CommandError(f"there is no {', '.join(sorted(left))} in {place}", NOT_FOUND)


def _matching(store: Store, wanted: Filters) -> Iterator[str]:
    query = Query(
        wanted.statuses,
        wanted.names,
        wanted.prefix,
        optional_micros(wanted.created_from),
        optional_micros(wanted.created_to),
        optional_micros(wanted.completed_from),
        optional_micros(wanted.completed_to),
        tuple((wanted.tags or {}).items()),
        wanted.parent,
        wanted.version,
    )
    token: str | None = None
    while True:
        page = store.query(query, _AT_ONCE, token)
        yield from (row.id for row in page.rows)
        token = page.token
        if token is None:
            return


@contextmanager
def _opened(output: Path | None) -> Generator[BinaryIO]:
    if output is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if output.exists():
        raise CommandError(f"{output} exists already: name a new file", CONFLICT)
    # What bears the name is a whole archive, also when this process is killed.
    unfinished = output.with_name(f"{output.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            yield file
        sync(unfinished)
        unfinished.rename(output)
        sync(output.parent)
    except OSError as error:
        problem = error.strerror or error
        raise CommandError(f"cannot write {output}: {problem}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def import_(
    session: Session,
    *,
    source: Annotated[
        str, typer.Argument(help="A file that `export` wrote, or - for stdin.", show_default=False)
    ],
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out what is there already.")
    ] = False,
) -> None:
    """Take in what `export` wrote: all of it, or nothing when something of it is there already.

    Unfinished work is taken in only while no runtime runs the store. A store that is not there is
    made.
    """
    place = session.store("import", exists=False)
    if isinstance(place, Path) and place.exists():
        session.store("import")
    with ExitStack() as stack:
        name = "stdin" if source == "-" else source
        archive = Archive(name, stack.enter_context(_input(source)))
        archive.check()
        store = stack.enter_context(closing(opened(place, create=True)))
        _own(store, archive, place)
        existing = archive.existing_in(store)
        if existing and not skip_existing:
            raise CommandError(
                f"{place} has {_named(existing)} already, and nothing was imported; "
                "give --skip-existing to leave out what is there",
                CONFLICT,
            )
        advance = stack.enter_context(progress("importing"))
        count = 0
        for wholes in archive.batches(without=existing):
            if in_the_way := store.install(wholes):
                raise CommandError(
                    f"somebody has just begun {_named(in_the_way)} in {place}; "
                    f"{count} were imported: go on with --skip-existing",
                    CONFLICT,
                )
            count += len(wholes)
            advance(count, archive.count)
    _tell(
        session,
        {"imported": count, "skipped": len(existing)},
        f"{count} imported into {place}, {len(existing)} skipped",
    )


@define
class Archive:
    """The lines of an archive, which can be read more than once."""

    name: str
    _lines: BinaryIO
    count: int = 0
    unfinished: list[str] = field(factory=list[str])
    """Actors that a living runtime would not notice."""

    def check(self) -> None:
        """Read everything; raises `CommandError` with the line that cannot be."""
        seen: set[str] = set()
        for number, whole in self._numbered():
            if whole.id in seen:
                raise CommandError(f"{self.name}, line {number}: {whole.id!r} comes twice", USAGE)
            seen.add(whole.id)
            row = whole.instance
            if whole.messages or row is None or not row.status.is_terminal:
                self.unfinished.append(whole.id)
        self.count = len(seen)

    def existing_in(self, store: Store) -> set[str]:
        """What of it is in a store."""
        found: set[str] = set()
        for wholes in self.batches():
            found.update(there.id for there in store.export([whole.id for whole in wholes]))
        return found

    def batches(self, without: set[str] | frozenset[str] = frozenset()) -> Iterator[list[Whole]]:
        """Everything else, some at a time."""
        batch: list[Whole] = []
        for _, whole in self._numbered():
            if whole.id not in without:
                batch.append(whole)
            if len(batch) == _AT_ONCE:
                yield batch
                batch = []
        if batch:
            yield batch

    def _numbered(self) -> Iterator[tuple[int, Whole]]:
        self._lines.seek(0)
        for number, line in enumerate(self._lines, 1):
            if line.strip():
                try:
                    yield number, read_whole(line)
                except ArchiveError as error:
                    raise CommandError(f"{self.name}, line {number}: {error}", USAGE) from error


@contextmanager
def _input(source: str) -> Generator[BinaryIO]:
    if source != "-":
        try:
            with Path(source).open("rb") as file:
                yield file
        except FileNotFoundError:
            raise CommandError(f"there is no file {source}", NOT_FOUND) from None
        return
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        yield cast("BinaryIO", spool)


def _own(store: Store, archive: Archive, place: Place) -> None:
    """Keep runtimes out while unfinished work comes in: they learn of it when they start."""
    if not archive.unfinished:
        return
    try:
        store.own()
    except StoreInUseError as error:
        raise CommandError(
            f"{_named(archive.unfinished)} can go on, and a runtime that runs {place} would not "
            "notice: stop it first, or import only what has ended",
            CONFLICT,
        ) from error


def _named(ids: list[str] | set[str]) -> str:
    shown = sorted(ids)[:_NAMED_MAX]
    more = f" and {len(ids) - len(shown)} more" if len(ids) > len(shown) else ""
    return ", ".join(shown) + more


def _tell(session: Session, document: dict[str, Any], text: str) -> None:
    if session.printer.as_json:
        session.printer.document(document)
    else:
        session.printer.text(text)
