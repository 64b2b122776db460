"""docs/cli.md: every command there is run, and every command there is is there."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from perdure import QueueStatus
from perdure.cli.program import program
from perdure.runtime.client.status_document import queue_document

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
PERDURE = [sys.executable, "-W", "error", "-m", "perdure"]
RUN = {"run", "serve"}
ELSEWHERE = {"host"}
"""Run by test_running.py: it needs an app of the other model."""

COMMANDS = re.findall(r"^\$ (.+?)(?:\s+# exit status (\d+))?$", PAGE, re.MULTILINE)
SHAPES = {
    row[1]: re.findall(r"`(\w+)`", row[2])
    for row in re.finditer(r"^\| (\w+) \| ((?:`\w+` ?)+) \|", PAGE, re.MULTILINE)
}


@define
class Shell:
    """Runs the page's commands, and beside them the program that it says to run."""

    perdure: Any
    port: int
    running: subprocess.Popen[str] | None = None

    def do(self, line: str, code: int) -> None:
        words = shlex.split(line.replace("7071", str(self.port)))
        if words[1] in RUN:
            self.begin(words[1:])
        elif "|" in words or ">" in words:
            shown = shlex.join(PERDURE)
            script = line.replace("perdure ", f"{shown} ", 1)
            assert subprocess.run(["bash", "-c", script], check=False).returncode == code  # noqa: S607
        else:
            assert self.perdure.run(*words[1:])[0] == code, line

    def begin(self, arguments: list[str]) -> None:
        self.end()
        self.running = subprocess.Popen(
            [*PERDURE, *arguments, "--log-level", "error"], stderr=subprocess.PIPE, text=True
        )
        assert self.running.stderr is not None
        assert "Ctrl-C ends it" in self.running.stderr.readline()

    def end(self) -> None:
        if self.running is not None:
            self.running.send_signal(signal.SIGINT)
            self.running.communicate(timeout=20)
            assert self.running.returncode == 0


@pytest.fixture
def shell(perdure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A folder with the page's app.py in it."""
    monkeypatch.delenv("PERDURE_STORE")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    Path("app.py").write_text(code, "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield (opened := Shell(perdure, port))
    opened.end()


def test_every_command_of_the_page_runs(shell: Shell) -> None:
    assert len(COMMANDS) > 35
    for line, code in COMMANDS:
        shell.do(line, int(code or 0))


def test_every_command_is_on_the_page() -> None:
    names = {command.name for command in program.registered_commands}
    shown = {line.split("perdure ")[1].split()[0] for line, _ in COMMANDS}
    assert names - ELSEWHERE == shown - {"entity"}
    assert all(f"`perdure {name} " in PAGE for name in ELSEWHERE)


def test_shapes_are_those_of_the_page(
    perdure: Any, hub: Any, at_the_shop: None, tmp_path: Path
) -> None:
    perdure("start", "holds", '"k"', "--id", "x")
    perdure("signal", "@counter@k", "add", "1")
    perdure("signal", "@counter@l", "add", "1")
    perdure("start", "adds", '"l"', "--wait")
    copy = str(tmp_path / "copy")
    printed = {
        "instance": ["list"],
        "counts": ["count"],
        "answer": ["why", "x"],
        "span": ["gantt", "x"],
        "entity": ["entity", "list"],
        "deed": ["suspend", "x"],
        "finding": ["doctor"],
        "checked": ["check", "shop:app"],
        "backup": ["backup", copy],
        "export": ["export", "-o", f"{copy}.jsonl"],
        "import": ["import", f"{copy}.jsonl", "--store", f"{copy}.db"],
        "move": ["move", f"{copy}.db", f"{copy}-moved.db"],
        "purge": ["purge", "--all", "--yes"],
        "drained": ["drain", "fails"],
        "worker": ["workers"],
        "figures": ["bench", "shop:app", "nothing", "--count", "1"],
    }
    found = {what: [*perdure.json(*command)[0]] for what, command in printed.items()}
    found["queue"] = [*queue_document(QueueStatus("render", 1, 0, None, []))]
    (status,) = perdure.json("status", "x", "--history")
    assert [*status] == [*SHAPES["instance"], "waitingFor", "historyEvents"]
    found["event"] = [*status["historyEvents"][0]]
    perdure("start", "waits", "--id", "y")
    found["fit"] = [*json.loads(perdure.run("check", "shop:closed", "--json")[1].splitlines()[0])]
    assert found == SHAPES
