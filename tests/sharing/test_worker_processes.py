"""Workers that are killed, paused and cut off under load: nothing is lost, nothing done twice."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from crash_verdict import judge
from cutting_proxy import CuttingProxy
from perdure.persistence.postgres_address import connecting, read_address
from private_postgres import PrivatePostgres

WORKER = Path(__file__).with_name("worker.py")


class Crowd:
    """The processes of one hub: some workers, and a client that loads them."""

    def __init__(self, url: str, folder: Path, backend: str) -> None:
        self._url = url.replace("lease=1&heartbeat=0.1", "lease=1&heartbeat=0.2")
        self._folder = folder
        self._backend = backend
        self._processes: list[subprocess.Popen[str]] = []

    def worker(self, url: str | None = None) -> subprocess.Popen[str]:
        """Add one, which is at work when this returns."""
        process = self._start("work", url or self._url)
        assert self._line(process) == "at work"
        return process

    def load(self) -> subprocess.Popen[str]:
        return self._start("load", self._url, str(self._folder / "load.life"))

    def _start(self, task: str, url: str, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(WORKER), task, url, self._backend, *more]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    @staticmethod
    def _line(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def progress(self, load: subprocess.Popen[str], times: int) -> None:
        """Return once so many times twenty calls more were acknowledged."""
        for _ in range(times):
            assert self._line(load) == "twenty more"

    def leave(self, process: subprocess.Popen[str]) -> None:
        process.communicate(timeout=40)
        assert process.returncode == 0

    def kill(self, process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()

    def pause(self, process: subprocess.Popen[str]) -> None:
        """Stop it until others have everything that it had."""
        process.send_signal(signal.SIGSTOP)
        address = read_address(self._url)
        with psycopg.connect(**connecting(address, relaxed=False), autocommit=True) as link:
            while link.execute(
                "SELECT 1 FROM partition JOIN worker ON worker = id WHERE name LIKE %s",
                (f"% pid {process.pid}",),
            ).fetchone():
                pass
        process.send_signal(signal.SIGCONT)

    def finish(self) -> None:
        """Let everything end."""
        process = self._start("finish", self._url, str(self._folder / "end.life"))
        process.communicate(timeout=50)
        assert process.returncode == 0

    def judge(self) -> None:
        """Nothing acknowledged is missing, nothing happened twice, nothing was made up.

        That is so while what has begun still goes on, and when all has ended.
        """
        left = judge(self._url, [self._folder / "load.life"], finished=False)
        assert left.problems == []
        self.finish()
        ended = judge(self._url, sorted(self._folder.glob("*.life")), finished=True)
        assert ended.problems == []
        assert ended.judged > 100

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


@pytest.fixture
def crowd(request: pytest.FixtureRequest, hub_url: str, tmp_path: Path) -> Iterator[Crowd]:
    """Give the processes of an empty hub."""
    crowd = Crowd(hub_url, tmp_path, getattr(request, "param", "asyncio"))
    yield crowd
    crowd.end()


@pytest.mark.parametrize("crowd", ["asyncio", "trio"], indirect=True)
def test_killed_workers_are_replaced(crowd: Crowd) -> None:
    first, second = crowd.worker(), crowd.worker()
    load = crowd.load()
    crowd.progress(load, 3)
    crowd.kill(first)
    crowd.progress(load, 2)
    third = crowd.worker()
    crowd.progress(load, 3)
    crowd.kill(second)
    crowd.progress(load, 3)
    crowd.leave(load)
    crowd.leave(third)
    crowd.judge()


@pytest.mark.parametrize("crowd", ["trio"], indirect=True)
def test_paused_workers_take_part_anew(crowd: Crowd) -> None:
    workers = crowd.worker(), crowd.worker()
    load = crowd.load()
    for worker in workers:
        crowd.progress(load, 3)
        crowd.pause(worker)
    crowd.progress(load, 5)
    for process in (load, *workers):
        crowd.leave(process)
    crowd.judge()


def test_cut_connections_and_restarts_are_survived(
    crowd: Crowd, hub_url: str, postgres: PrivatePostgres
) -> None:
    folder = parse_qs(urlsplit(hub_url).query)["host"][0]
    with ExitStack() as stack:
        proxy = stack.enter_context(CuttingProxy(f"{folder}/.s.PGSQL.5432"))
        by_proxy = hub_url.replace(f"host={folder}", f"host=127.0.0.1&port={proxy.port}")
        workers = crowd.worker(by_proxy), crowd.worker()
        load = crowd.load()
        for _ in range(4):
            crowd.progress(load, 2)
            proxy.cut()
        postgres.restart()
        crowd.progress(load, 4)
        proxy.cut()
        for process in (load, *workers):
            crowd.leave(process)
    crowd.judge()
