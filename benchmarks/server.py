"""A PostgreSQL server of one's own, for as long as it is measured."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "tests" / "services" / "private_postgres.py"


class NoServerError(Exception):
    """Raised when none can be started; the text says why."""


@contextmanager
def private_server(program: Path = PROGRAM) -> Generator[str, None, None]:
    """Start a server and give its URL; it ends with the block, with all files."""
    command = [sys.executable, str(program)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C reaches it only through the end of its input, when nobody needs it any more.
        start_new_session=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        assert process.stderr is not None  # noqa: S101
        assert process.stdin is not None  # noqa: S101
        if not (url := process.stdout.readline().strip()):
            said = process.stderr.read().strip().splitlines()
            raise NoServerError(said[-1] if said else f"{program} said nothing")
        try:
            yield url
        finally:
            process.stdin.close()
            process.wait()
