"""A demo that is told to end leaves no process and no traceback, and a later one goes on."""

import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "backup"
DEMO = [sys.executable, "-B", str(EXAMPLE / "demo.py")]
BACKENDS = ["asyncio", "trio"]

Demo = subprocess.Popen[str]


@contextmanager
def begun(*arguments: str | Path) -> Generator[Demo, None, None]:
    """Give a demo whose first copies are recorded, and which will not kill its process.

    One that does not end by itself is a failed test, and not a hung one.
    """
    command = [*DEMO, *map(str, arguments), "--kill-at", "2"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "copying" in line:
                break
        try:
            yield demo
        finally:
            demo.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Enough files for a second."""
    made = tmp_path / 'a "quoted" folder'
    made.mkdir()
    for number in range(300):
        (made / str(number)).write_text(str(number))
    return made


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_says_one_line(
    number: signal.Signals, backend: str, folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    with begun("--source", folder, "--target", target, "--backend", backend) as demo:
        demo.send_signal(number)
        _, errors = demo.communicate(timeout=20)
    assert demo.returncode == 128 + number
    assert errors == "\ndemo: interrupted; the same command goes on\n"
    again = ended("--source", folder, "--target", target, "--backend", backend)
    assert again.returncode == 0, again.stderr
    assert "going on with what a former run has left there" in again.stdout
    assert "and 0 of the recorded ones" in again.stdout
    assert again.stdout.endswith("\nverified\n")


def test_a_worker_leaves_with_its_demo(folder: Path, tmp_path: Path) -> None:
    with begun("--source", folder, "--target", tmp_path / "target") as demo:
        demo.kill()
        # The worker has the same stderr, which ends once the worker is gone too.
        demo.communicate(timeout=20)
    noted = (tmp_path / "target" / "work" / "journal").read_text("utf-8").splitlines()
    assert 0 < len(noted) < 300  # had it gone on, it would have copied all


def test_a_target_serves_one_source(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    assert ended("--source", folder, "--target", target).returncode == 0
    other = ended("--source", EXAMPLE, "--target", target)
    assert other.returncode == 1
    assert other.stderr == f"demo: {target} holds a backup of {folder}\n"


def test_a_single_file_is_enough_to_crash(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "lonely").write_text("hello")
    shown = ended("--source", tmp_path / "source").stdout
    assert "(SIGKILL), after 1 recorded file\n" in shown
    assert shown.endswith("\nverified\n")


def test_an_empty_folder_cannot_show_the_crash(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    shown = ended("--source", tmp_path / "source").stdout
    assert shown.endswith("\nverified; the crash was not shown: there was no file to copy\n")


def test_a_finished_target_shows_no_crash(folder: Path, tmp_path: Path) -> None:
    options: list[str | Path] = ["--source", folder, "--target", tmp_path / "target"]
    assert ended(*options).stdout.endswith("\nverified\n")
    again = ended(*options)
    assert again.returncode == 0
    assert "verified; the crash was not shown: the backup was complete" in again.stdout


def ended(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*DEMO, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
