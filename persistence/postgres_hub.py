"""One task hub in a PostgreSQL database: its schema, made or moved to the newest when opened."""

from psycopg import errors

from ..actors.errors import StoreError, StoreNotFoundError, StoreVersionError
from . import schema
from .partitions import PARTITIONS, partition_of
from .postgres_address import Address, connecting
from .postgres_connections import Connections, Link, Step, explained
from .records import Hint
from .store import Durability

_RACES = (
    errors.UniqueViolation,
    errors.DuplicateSchema,
    errors.DuplicateTable,
    errors.DuplicateObject,
)
"""What `IF NOT EXISTS` still meets when two processes create the same at once."""
_ATTEMPTS = 5

_SERVER_MIN = 140_000

# Relatives of PostgreSQL may lack it.
_NOTIFIES = "SELECT to_regproc('pg_catalog.pg_notify') IS NOT NULL"

_FOUND = (
    "SELECT to_regclass('migration') IS NOT NULL, count(*) FROM pg_catalog.pg_class"
    " WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = %s)"
)


class PostgresHub:
    """Connections to a hub, which has to be there already unless `create`.

    One that is half filled by `moving.move` can be opened with `unfinished` only.

    `durability="relaxed"` lets a crash of the server undo the last commits, but none in part.
    """

    def __init__(
        self,
        address: Address,
        durability: Durability = "full",
        *,
        create: bool = True,
        unfinished: bool = False,
    ) -> None:
        self.address = address
        self.location = address.url
        self.connections = connections_to(address, durability)
        try:
            self._prepare(durability, create=create, unfinished=unfinished)
            self.partitions = self._counted()
            ((self._notifies,),) = self.connections.ask(_NOTIFIES)
        except BaseException:
            self.connections.close()
            raise

    def partition_of(self, actor_id: str) -> int:
        """The partition that an orchestration or entity belongs to."""
        return partition_of(actor_id, self.partitions)

    def telling(self, hint: Hint) -> list[Step]:
        """What lets all who listen hear this: nobody may rely on it.

        It goes after a transaction and not into it, as the server lets only one transaction at a
        time end that notifies.
        """
        if not (self._notifies and hint):
            return []
        return [("SELECT pg_notify(%s, %s)", (self.address.hub, written(hint)))]

    def listen(self) -> Link | None:
        """A connection that hears what is told; None where there is no such thing."""
        if not self._notifies:
            return None
        link = self.connections.connect()
        try:
            link.execute(f"LISTEN {self.address.hub}".encode())
        except errors.Error as error:
            link.close()
            raise explained(self.location, error) from error
        return link

    def close(self) -> None:
        """Close all connections."""
        self.connections.close()

    # Opening

    def _counted(self) -> int:
        ((partitions,),) = self.connections.ask("SELECT partitions FROM hub")
        if self.address.partitions not in {None, partitions}:
            raise StoreError(
                f"{self.location}: the hub has {partitions} partitions, which is fixed "
                f"since its creation: leave partitions={self.address.partitions} out"
            )
        return int(partitions)

    def _prepare(self, durability: Durability, *, create: bool, unfinished: bool) -> None:
        known = schema.migrations("postgres")
        with self.connections.lent() as link:
            self._refuse_server(link, durability)
            version = schema_version(link, self.address)
            if version == 0 and not create:
                raise StoreNotFoundError(
                    f"{self.location}: there is no hub {self.address.hub}: mend its name, or start "
                    "the runtime that makes it first; a client makes one only with create=True"
                )
            if unfinished and schema.is_unfinished(known, version, self.location):
                return
            if schema.pending(known, version, self.location):
                if version and not create:
                    raise StoreVersionError(
                        f"{self.location} has schema version {version}, this Perdure writes "
                        f"{max(known)}: start the runtime with this Perdure once, which moves it "
                        "forward"
                    )
                self._create(link)
                self._migrate(link, known)

    def _refuse_server(self, link: Link, durability: Durability) -> None:
        if link.info.server_version < _SERVER_MIN:
            raise StoreError(
                f"{self.location} is PostgreSQL {link.info.server_version // 10_000}; "
                "Perdure needs 14 or newer"
            )
        if durability == "full" and link.execute("SHOW synchronous_commit").fetchone() == ("off",):
            raise StoreError(
                f"{self.location} has synchronous_commit off, so that a crash of the server loses "
                "what was acknowledged: ALTER ROLE ... SET synchronous_commit = on, "
                "or ask for that by durability='relaxed'"
            )

    def _create(self, link: Link) -> None:
        """Make the row that migrations are taken under."""
        name = self.address.hub
        for attempt in range(_ATTEMPTS):
            try:
                # `IF NOT EXISTS` alone would ask for a privilege that only a creator needs.
                if not link.execute(
                    "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", (name,)
                ).fetchone():
                    link.execute(f"CREATE SCHEMA IF NOT EXISTS {name}".encode())
                link.execute(
                    "CREATE TABLE IF NOT EXISTS migration"
                    " (id integer PRIMARY KEY, version integer NOT NULL)"
                )
                link.execute("INSERT INTO migration VALUES (1, 0) ON CONFLICT (id) DO NOTHING")
            except _RACES as error:
                if attempt == _ATTEMPTS - 1:
                    raise explained(self.location, error) from error
            else:
                return

    def _migrate(self, link: Link, known: dict[int, list[str]]) -> None:
        with link.transaction():
            # Others who open the hub wait here, and find nothing left to do.
            found = link.execute("SELECT version FROM migration FOR UPDATE").fetchone()
            version = int(found[0]) if found else 0
            for number, statements in schema.pending(known, version, self.location).items():
                for statement in statements:
                    link.execute(statement.encode())
                link.execute("UPDATE migration SET version = %s", (number,))
            if version == 0:
                self._populate(link)

    def _populate(self, link: Link) -> None:
        partitions = self.address.partitions or PARTITIONS
        link.execute(
            "INSERT INTO hub (partitions, posted, changes) VALUES (%s, 0, 0)", (partitions,)
        )
        with link.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO partition (number, epoch, position, changes) VALUES (%s, 0, 0, 0)",
                [(number,) for number in range(partitions)],
            )


def connections_to(address: Address, durability: Durability = "full") -> Connections:
    """Connections to a hub, whether it is there or not."""
    return Connections(address.url, connecting(address, relaxed=durability == "relaxed"))


def schema_version(link: Link, address: Address) -> int:
    """The number of the newest migration, 0 of a hub that is not there."""
    row = link.execute(_FOUND, (address.hub,)).fetchone()
    ours, tables = row or (False, 0)
    if ours:
        found = link.execute("SELECT version FROM migration").fetchone()
        return int(found[0]) if found else 0
    if tables:
        raise StoreError(
            f"{address.url}: the schema {address.hub} is another program's, or this "
            "role may not use it: choose another name for the hub, or grant USAGE on the schema"
        )
    return 0


def written(hint: Hint) -> str:
    """A hint as text: the partitions of each kind, and marks for members, errands and listeners."""
    parts = (hint.come, hint.changed)
    numbers = "|".join(",".join(map(str, part)) for part in parts)
    errands = f"{'a' if hint.asked else ''}{'w' if hint.withdrawn else ''}"
    marks = f"{errands}{'l' if hint.listening else ''}"
    return f"{numbers}|{'m' if hint.members else ''}|{marks}"


def heard(text: str) -> Hint:
    """The reverse of `written`; what is none is an empty hint."""
    come, changed, members, marks = [*text.split("|"), "", "", "", ""][:4]
    numbers = _numbers(come), _numbers(changed)
    return Hint(*numbers, members == "m", "a" in marks, "w" in marks, "l" in marks)


def _numbers(text: str) -> frozenset[int]:
    return frozenset(int(number) for number in text.split(",") if number.isdecimal())
