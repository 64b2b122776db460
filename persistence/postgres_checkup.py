"""What an operator wants to know of a hub in PostgreSQL, read without changing anything in it."""

from collections.abc import Sequence
from contextlib import closing

from attrs import evolve, frozen

from ..actors.errors import StoreNotFoundError
from . import schema
from .checkup import REPLY_SECONDS, Contents, contents
from .postgres_address import read_address
from .postgres_connections import SNAPSHOT, Link, Rows
from .postgres_errands import QUEUES, queues_of
from .postgres_hub import connections_to, schema_version
from .records import Queue

_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")
"""What has to be on, or work is lost or tables grow for ever."""

_SIZE = (
    "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_catalog.pg_class"
    " WHERE relkind = 'r' AND relnamespace = to_regnamespace(?)"
)
_WORKERS = (
    "SELECT worker.name, count(partition.number), worker.repertoire FROM worker"
    " LEFT JOIN partition ON partition.worker = worker.id"
    " WHERE worker.leased_until > clock_timestamp()"
    " GROUP BY worker.id, worker.name, worker.repertoire ORDER BY 1, 2"
)
_LONGEST = (
    "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8"
    " FROM pg_catalog.pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_OLD_REPLY = f"at < now() - interval '{REPLY_SECONDS} seconds'"


@frozen
class Worker:
    """A process with a lease that has not ended."""

    name: str
    """Its host and pid."""
    partitions: int
    """How many it owns."""
    repertoire: str
    """Which code it has, as `SharedStore.enter` was told."""


@frozen
class DatabaseCheckup:
    """The state of a hub and of the server that it is in."""

    location: str
    """The URL without secrets."""
    server: str
    """The server's version."""
    size: int
    """Bytes of tables and indexes."""
    settings: dict[str, str]
    """Those of the server that durability and upkeep hang on."""
    longest_transaction: float
    """For so many seconds somebody in this database has been in one transaction."""
    schema_version: int
    newest_schema_version: int
    partitions: int
    asked_partitions: int | None
    """What the URL says; None when it says nothing."""
    workers: list[Worker]
    queues: list[Queue]
    """The activities that any worker may run, and that wait or run."""
    contents: Contents | None
    """None when the schema is not the newest; then partitions, workers and queues are none too."""


def examine(url: str, now: int) -> DatabaseCheckup:
    """Look at everything. Raises `StoreError` for a hub or server that is not there."""
    address = read_address(url)
    newest = max(schema.migrations("postgres"))
    with closing(connections_to(address)) as connections, connections.lent() as link:
        version = schema_version(link, address)
        if version == 0:
            raise StoreNotFoundError(
                f"{address.url}: there is no hub {address.hub}: mend its name; "
                "`perdure run` makes a new one"
            )
        link.execute(SNAPSHOT)
        look = _Look(link)
        ((server,),) = look("SHOW server_version")
        known = version == newest
        return DatabaseCheckup(
            address.url,
            server,
            look.number(_SIZE, address.hub),
            {name: str(look(f"SHOW {name}")[0][0]) for name in _SETTINGS},
            float(look(_LONGEST)[0][0]),
            version,
            newest,
            look.number("SELECT count(*) FROM partition") if known else 0,
            address.partitions,
            [Worker(*row) for row in look(_WORKERS)] if known else [],
            queues_of(look(QUEUES)) if known else [],
            _contents(look, now) if known else None,
        )


def _contents(look: "_Look", now: int) -> Contents:
    """What there is, with messages between workers among those in the mailboxes."""
    found = contents(look, now, _OLD_REPLY, ("mailbox", "inbox", "letter"))
    return evolve(found, mailbox=found.mailbox + look.number("SELECT count(*) FROM letter"))


def living_workers(url: str) -> list[Worker]:
    """Who runs the hub just now."""
    with closing(connections_to(read_address(url))) as connections:
        return [Worker(*row) for row in connections.ask(_WORKERS)]


@frozen
class _Look:
    """Asks one connection."""

    _link: Link

    def __call__(self, statement: str, *values: object) -> Rows:
        marked: Sequence[object] = values
        return self._link.execute(statement.replace("?", "%s").encode(), marked).fetchall()

    def number(self, statement: str, *values: object) -> int:
        ((found,),) = self(statement, *values)
        return int(found)
