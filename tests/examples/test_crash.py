"""A backup whose process is killed hard: what is recorded is not done again."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backup import app, job_of
from compare import compare
from demo import recorded_files
from perdure import Client
from vault import Vault
from worker import run

HERE = Path(__file__).parent
DEMO = HERE.parents[1] / "examples" / "backup" / "demo.py"
FILES = 160

Output = subprocess.CompletedProcess[str]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    source = random.Random(7)  # noqa: S311 - only has to be hard to compress
    for number in range(FILES):
        (folder / f"{number:03}").write_bytes(source.randbytes(40_000))
    return folder


def python(*arguments: str | Path) -> Output:
    command = [sys.executable, "-B", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


async def test_recorded_copies_survive_a_hard_kill(many: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    process = python(HERE / "dying_worker.py", "60", "--source", many, "--target", target)
    assert process.returncode == -signal.SIGKILL, process.stderr
    [(first, copied)] = Vault(target).noted().items()
    async with Client(Vault(target).store, app) as client:
        recorded = await recorded_files(client)
    assert len(copied) >= 60
    assert recorded < set(copied)
    summary = await run(job_of(many, target, [], 10))
    [again] = [paths for process, paths in Vault(target).noted().items() if process != first]
    assert summary.files == FILES
    assert recorded.isdisjoint(again)
    assert recorded | set(again) == {f"{number:03}" for number in range(FILES)}
    assert compare(many, Vault(target), []).files == FILES


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_demo_goes_on_and_verifies(backend: str, many: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    ended = python(DEMO, "--source", many, "--target", target, "--backend", backend)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "(SIGKILL)" in ended.stdout
    assert "and 0 of the recorded ones" in ended.stdout
    assert f"{FILES} files (6.4 MB) equal" in ended.stdout
    assert ended.stdout.endswith("\nverified\n")
    assert compare(many, Vault(target), []).files == FILES


def test_the_demo_refuses_a_target_in_use(many: Path, tmp_path: Path) -> None:
    ended = python(DEMO, "--source", many, "--target", tmp_path)
    assert ended.returncode == 1
    assert "is not empty" in ended.stderr


def test_the_demo_refuses_a_missing_source(tmp_path: Path) -> None:
    ended = python(DEMO, "--source", tmp_path / "nowhere", "--target", tmp_path / "target")
    assert ended.returncode == 1
    assert "there is no folder" in ended.stderr
