"""The workers of examples/workers: one is killed under load, and no transfer is lost."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from private_postgres import PrivatePostgres

EXAMPLE = Path(__file__).parents[2] / "examples" / "workers"
BACKENDS = ["asyncio", "trio"]

Demo = subprocess.Popen[str]


@contextmanager
def begun(*arguments: str) -> Generator[Demo]:
    """Give a demo, which is told to end if it has not."""
    command = [sys.executable, "-B", str(EXAMPLE / "takeover.py"), *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as demo:
        try:
            yield demo
        finally:
            demo.terminate()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_killed_worker_is_replaced_without_a_loss(
    backend: str, postgres: PrivatePostgres
) -> None:
    short = ["--transfers", "100", "--lease", "1", "--backend", backend]
    with begun("--store", postgres.url, *short) as demo:
        told, errors = demo.communicate(timeout=50)
    assert demo.returncode == 0, told + errors
    first, second, third = re.findall(r"process (\d+) is started", told)
    assert f"process {first} is killed (SIGKILL)" in told
    assert f"process {second} has taken over all of it" in told
    assert re.search(rf"pid {third} +16 partitions", told)
    assert "100 transfers were acknowledged: 100 Completed" in told
    assert "40 accounts hold 4000 in all, 0 of them wrongly" in told
    assert "all is as it should be" in told
    assert errors.count("Ctrl-C ends it") == 3


def test_an_interrupted_demo_leaves_nothing_behind() -> None:
    with begun() as demo:
        assert demo.stdout is not None
        started = [demo.stdout.readline() for _ in range(2)]
        assert "they share the hub" in demo.stdout.readline()
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=40)
    assert demo.returncode == 130
    assert errors.endswith("takeover: interrupted\n")
    for line in started:
        (pid,) = re.findall(r"process (\d+) is started", line)
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_a_database_that_is_not_there_is_told() -> None:
    with begun("--store", "postgresql://nobody@/none?host=/nowhere") as demo:
        told, errors = demo.communicate(timeout=40)
    assert (demo.returncode, told) == (1, "")
    assert errors.startswith("takeover: ")
    assert errors.count("\n") == 1
