"""Opening a hub in PostgreSQL: what its URL says, who may, and what is refused."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import psycopg
import pytest

from perdure.actors.errors import StoreError, StoreNotFoundError, StoreVersionError
from perdure.persistence.opening import open_store
from perdure.persistence.postgres_address import read_address
from perdure.persistence.records import Commit, MessageRow
from perdure.persistence.store import Store
from perdure.persistence.url_secrets import without_secrets
from private_postgres import PrivatePostgres

numbers = count()


@pytest.fixture
def new_url(postgres: PrivatePostgres) -> str:
    """Give the URL of a hub that is not there yet."""
    return f"{postgres.url}&hub=new_{next(numbers)}&heartbeat=0.1"


@pytest.fixture
def admin(postgres: PrivatePostgres) -> Iterator[psycopg.Connection]:
    """Give a superuser's connection."""
    with psycopg.connect(postgres.url, autocommit=True) as link:
        yield link


def name_of(url: str) -> str:
    return read_address(url).hub


def statements(admin: psycopg.Connection, text: str) -> None:
    admin.execute(text.encode())


def test_a_location_opens_the_same_hub(hub_url: str) -> None:
    with closing(open_store(hub_url)) as store, closing(open_store(store.location)) as again:
        store.post([MessageRow(0, "a", "hello")])
        assert [row.body for row in again.inbox(0)] == ["hello"]


def test_hubs_in_one_database_share_nothing(new_url: str, hub_url: str) -> None:
    with closing(open_store(new_url)) as first, closing(open_store(hub_url)) as second:
        first.post([MessageRow(0, "a", "hello")])
        assert first.own()
        assert second.own()
        assert second.inbox(0) == []


def test_many_may_create_a_hub_at_once(new_url: str) -> None:
    opened: list[Store] = []
    threads = [threading.Thread(target=lambda: opened.append(open_store(new_url))) for _ in "12345"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    opened[0].post([MessageRow(0, "a", "hello")])
    assert [len(store.inbox(0)) for store in opened] == [1] * 5
    for store in opened:
        store.close()


def test_without_create_a_hub_has_to_be_there(new_url: str) -> None:
    with pytest.raises(StoreNotFoundError, match="there is no hub new_"):
        open_store(new_url, create=False)
    open_store(new_url).close()
    open_store(new_url, create=False).close()


def test_a_schema_of_others_is_refused(new_url: str, admin: psycopg.Connection) -> None:
    statements(admin, f"CREATE SCHEMA {name_of(new_url)}")
    statements(admin, f"CREATE TABLE {name_of(new_url)}.theirs (id integer)")
    with pytest.raises(StoreError, match="is another program's"):
        open_store(new_url)


def test_a_newer_schema_is_refused(new_url: str, admin: psycopg.Connection) -> None:
    open_store(new_url).close()
    statements(admin, f"SET search_path = {name_of(new_url)}")
    statements(admin, "UPDATE migration SET version = 999")
    with pytest.raises(StoreVersionError, match="has schema version 999"):
        open_store(new_url)


def test_an_older_schema_is_left_to_the_runtime(new_url: str, admin: psycopg.Connection) -> None:
    open_store(new_url).close()
    statements(admin, f"SET search_path = {name_of(new_url)}")
    statements(admin, "UPDATE migration SET version = -1")
    with pytest.raises(StoreVersionError, match="has schema version -1, this Perdure writes"):
        open_store(new_url, create=False)


def test_the_number_of_partitions_is_fixed_at_creation(new_url: str) -> None:
    open_store(f"{new_url}&partitions=8").close()
    open_store(f"{new_url}&partitions=8").close()
    with pytest.raises(StoreError, match="has 8 partitions, which is fixed"):
        open_store(f"{new_url}&partitions=9")


def test_an_unsafe_server_is_refused(new_url: str) -> None:
    unsafe = f"{new_url}&options=-c%20synchronous_commit%3Doff"
    with pytest.raises(StoreError, match="has synchronous_commit off"):
        open_store(unsafe)
    open_store(unsafe, durability="relaxed").close()


# Roles, as docs/postgresql.md has them

ROLES = """
    CREATE ROLE {hub}_admin LOGIN;
    CREATE ROLE {hub}_worker LOGIN;
    CREATE SCHEMA {hub} AUTHORIZATION {hub}_admin;
    GRANT USAGE ON SCHEMA {hub} TO {hub}_worker;
    ALTER DEFAULT PRIVILEGES FOR ROLE {hub}_admin IN SCHEMA {hub}
        GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {hub}_worker;
"""


def test_a_worker_needs_no_more_than_rows(new_url: str, admin: psycopg.Connection) -> None:
    hub = name_of(new_url)
    statements(admin, ROLES.format(hub=hub))
    as_worker = new_url.replace("perdure@", f"{hub}_worker@")
    with pytest.raises(StoreError, match="lacks a privilege: grant it"):
        open_store(as_worker)
    open_store(new_url.replace("perdure@", f"{hub}_admin@")).close()
    with closing(open_store(as_worker)) as store:
        epoch = store.own()
        store.post([MessageRow(0, "a", "hello")])
        store.commit(Commit(epoch, consumed=[row.position for row in store.inbox(0)]))
        assert store.inbox(0) == []
        assert store.purge(["a"]).gone == []


# URLs


def test_a_password_is_never_shown() -> None:
    address = read_address(
        "postgresql://me:secret@host:5432/db?hub=h&password=secret&sslmode=require"
    )
    assert address.url == "postgresql://me@host:5432/db?hub=h&sslmode=require"
    assert without_secrets("postgresql://a:1,b:2/db") == "postgresql://a:1,b:2/db"
    assert without_secrets("postgresql://me@[::1]:5432/") == "postgresql://me@[::1]:5432/"
    assert without_secrets("postgresql://:secret@/?password=1") == "postgresql://@/"
    assert address.parameters["user"] == "me"
    assert address.parameters["password"] == "secret"  # noqa: S105 - of an invented user
    assert address.parameters["sslmode"] == "require"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:se/cret@host/db",
        "postgresql://me:se@cret@host/db",
        "postgresql://me:se?cret@host/db",
        "postgresql://me:se#cret@host/db",
        "postgresql://me:secret@[host/db",
        "postgresql://me@host/db?password=secret&hob=1",
    ],
)
def test_no_part_of_a_password_is_shown_in_errors(url: str) -> None:
    with pytest.raises(StoreError, match="is not the URL of a database") as caught:
        open_store(url)
    assert not re.search("se[@/?#]?cret|cret@", str(caught.value))


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ("hub=Shop", "a hub cannot be called 'Shop'"),
        ("hub=public", "a hub cannot be called 'public'"),
        ("hub=pg_shop", "a hub cannot be called 'pg_shop'"),
        ("hub=", "a hub cannot be called ''"),
        ("partitions=0", "partitions=0 is not a number from 1 to"),
        ("lease=soon", "lease=soon is not a number of seconds above zero"),
        ("lease=3", "at least two heartbeats long"),
        ("hob=shop", "is not the URL of a database"),
    ],
)
def test_a_parameter_without_sense_is_named(parameters: str, complaint: str) -> None:
    with pytest.raises(StoreError, match=complaint):
        open_store(f"postgresql://me:secret@host/db?{parameters}")


def test_a_server_that_is_not_there_is_named(tmp_path: object) -> None:
    with pytest.raises(StoreError, match="cannot connect; check address") as caught:
        open_store(f"postgresql://me:secret@/db?host={tmp_path}")
    assert "secret" not in str(caught.value)


def test_without_the_extra_one_line_tells_what_to_install() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from perdure.persistence.opening import open_store\n"
        "try: open_store('postgresql://host/db')\n"
        "except Exception as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.count("\n") == 1
    assert "pip install 'perdure[postgres]'" in said.stdout


def test_psycopg_is_imported_by_its_users_only() -> None:
    code = "import sys, perdure; sys.exit('psycopg' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
