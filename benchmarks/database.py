"""What is measured on a PostgreSQL server only: more workers, DBOS beside us, and a death."""

import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Protocol

import orjson

from . import beside_dbos, scaleout, takeover
from .bench import POSTGRES
from .server import NoServerError, private_server

Tell = Callable[[str], object]
Table = tuple[Iterable[str], Iterable[Iterable[str]]]

DEATHS_MAX = 2
"""How often at most a worker dies for the page, which takes some 20 s each with all leases."""
ABOUT = "The server runs beside the processes, on the same cores; each has a hub that is new."


class Row(Protocol):
    """What one line of a table has to say."""

    def cells(self) -> list[str]: ...

    def document(self) -> dict[str, object]: ...


@contextmanager
def server_at(store: str) -> Generator[str, None, None]:
    """The server that was asked for, or a private one; raises `NoServerError`."""
    if store.startswith(POSTGRES):
        yield store
        return
    with private_server() as url:
        yield url


def show_scaleout(store: str, repeat: int, tell: Tell, *, as_json: bool) -> None:
    """Measure, and print a table or an object per line."""
    _show(scaleout.HEADINGS, scaleout.scaleout(store, tell, repeat=repeat), as_json=as_json)


def show_dbos(store: str, repeat: int, tell: Tell, *, as_json: bool) -> None:
    """Measure, and print a table with the verdict, or an object; ends without DBOS."""
    if why := beside_dbos.missing():
        sys.exit(why)
    found = beside_dbos.contest(store, tell, repeat=repeat)
    if as_json:
        _print([orjson.dumps(found.document()).decode()])
        return
    table = _table((beside_dbos.HEADINGS, found.cells()))
    _print([beside_dbos.about(), "", table, found.verdict])


def show_takeover(store: str, repeat: int, tell: Tell, *, as_json: bool) -> None:
    """Measure, and print a table or an object per line."""
    _show(takeover.HEADINGS, takeover.takeover(store, tell, repeat=repeat), as_json=as_json)


SHOWS = {"scaleout": show_scaleout, "dbos": show_dbos, "takeover": show_takeover}


def measurements(repeat: int) -> int:
    """How many times `section` tells of a next one, where there is a server."""
    contests = 0 if beside_dbos.missing() else repeat
    loads = len(scaleout.LOADS) * len(scaleout.WORKERS) * repeat
    return contests + loads + len(takeover.LEASES) * min(repeat, DEATHS_MAX)


def section(repeat: int, tell: Tell, store: str = "") -> str:
    """A part of the page of results, which says so if there is no server."""
    try:
        with server_at(store) as url:
            parts = [ABOUT, "", *_dbos(url, repeat, tell), ""]
            scaled = scaleout.scaleout(url, tell, repeat=repeat)
            parts += [_table_of(scaleout.HEADINGS, scaled), takeover.ABOUT, ""]
            deaths = takeover.takeover(url, tell, repeat=min(repeat, DEATHS_MAX))
            parts.append(_table_of(takeover.HEADINGS, deaths))
    except NoServerError as error:
        parts = [f"Not measured: {error}."]
    return "\n".join(["## PostgreSQL", "", *parts])


def _dbos(url: str, repeat: int, tell: Tell) -> list[str]:
    if why := beside_dbos.missing():
        return [f"DBOS was not measured: {why}."]
    found = beside_dbos.contest(url, tell, repeat=repeat)
    table = _table((beside_dbos.HEADINGS, found.cells()))
    return [f"{beside_dbos.about()}.", "", table, f"{found.verdict}."]


def _show(headings: Sequence[str], rows: Sequence[Row], *, as_json: bool) -> None:
    if as_json:
        _print([orjson.dumps(row.document()).decode() for row in rows])
    else:
        _print([_table_of(headings, rows)])


def _table_of(headings: Sequence[str], rows: Sequence[Row]) -> str:
    return _table((headings, [row.cells() for row in rows]))


def _table(table: Table) -> str:
    """As Markdown, whose columns are as wide as what they hold."""
    headings, rows = table
    lines = [[*headings], *([*row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "".join(f"| {' | '.join(map(str.ljust, line, widths))} |\n" for line in lines)


def _print(lines: Iterable[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
