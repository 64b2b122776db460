"""The command: what it prints, as text and as JSON, and its exit status."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from perdure.lint import RULES, main

Output = pytest.CaptureFixture[str]

PROGRAM = """\
import time

def wait():
\ttime.sleep(5)  # ünicode comes later

@app.orchestration
async def story(it):
    wait()
    "ü"; x = (time.time() +
         it.nothing)
    while True:
        await it.create_timer(1)
"""

SHOWN = """\
program.py:4:2: PER110 `time.sleep(...)` blocks
  |
4 |     time.sleep(5)  # ünicode comes later
  |     ^^^^^^^^^^^^^
  = in story -> wait
  = every orchestration waits with it, at each replay anew
  = instead: await ctx.create_timer(...), or in an async orchestrator anyio.sleep(...)

program.py:9:15: PER101 `time.time()` reads the machine's clock
  |
9 |     "ü"; x = (time.time() +
  |               ^^^^^^^^^^^
  = in story
  = each replay reads another time
  = instead: use it.current_utc_datetime

program.py:11:5: PER114 `while True` never ends, and never continues as new
   |
11 |     while True:
   |     ^^^^^^^^^^
   = in story
   = the history grows for ever, and each replay goes through all of it
   = instead: do one round, call it.continue_as_new(...) and return

3 findings in 1 file.
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, "utf-8")
    monkeypatch.chdir(tmp_path)
    return path


def test_findings_are_shown_with_their_line(capsys: Output) -> None:
    assert main([]) == 1
    assert capsys.readouterr().out == SHOWN


def test_an_unreadable_file_is_shown_too(program: Path, capsys: Output) -> None:
    program.write_text("x = (\n", "utf-8")
    assert main([]) == 1
    assert capsys.readouterr().out == (
        "program.py:1:5: PER100 cannot be read: '(' was never closed\n"
        "  |\n1 | x = (\n  |     ^\n"
        "  = nothing is known about the orchestrators in it\n"
        "  = instead: correct the file, or leave it out\n"
        "\n1 finding in 1 file.\n"
    )


def test_findings_can_be_had_as_json(program: Path, capsys: Output) -> None:
    assert main([str(program), "--json"]) == 1
    first, second, third = json.loads(capsys.readouterr().out)
    assert first == {
        "path": "program.py",
        "line": 4,
        "column": 2,
        "end_line": 4,
        "end_column": 15,
        "code": "PER110",
        "message": "`time.sleep(...)` blocks",
        "why": RULES["PER110"].why,
        "fix": "await ctx.create_timer(...), or in an async orchestrator anyio.sleep(...)",
        "way": ["story", "wait"],
    }
    assert [second["code"], third["code"]] == ["PER101", "PER114"]


def test_no_findings_are_a_success(capsys: Output) -> None:
    assert main(["--ignore", "PER110,per101", "--ignore", "PER114", "."]) == 0
    assert capsys.readouterr().out == "No findings.\n"
    assert main(["--ignore", "PER", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_one_finding_is_one(capsys: Output) -> None:
    assert main(["--ignore", "PER110,PER114"]) == 1
    assert capsys.readouterr().out.endswith("\n1 finding in 1 file.\n")


def test_a_code_can_be_explained(capsys: Output) -> None:
    assert main(["--explain", "per101"]) == 0
    assert capsys.readouterr().out == (
        "PER101: the machine's clock\n"
        "  each replay reads another time\n"
        "  instead: use ctx.current_utc_datetime\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.py"], "perdure lint: there is no file or folder gone.py"),
        (["--explain", "PER999"], "perdure lint: there is no code 'PER999'; there are PER100, "),
        (["--ignore", "E501"], "perdure lint: there is no code 'E501'; there are PER100, "),
        (["--ignore", ""], "perdure lint: there is no code ''"),
        (["--what"], "unrecognized arguments: --what"),
    ],
)
def test_misuse_is_said_in_one_line(arguments: list[str], said: str, capsys: Output) -> None:
    assert main(arguments, prog="perdure lint") == 2
    assert said in capsys.readouterr().err


def test_the_module_runs_as_a_command(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(sys, "argv", ["lint", "--ignore", "PER110", "program.py"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("perdure.lint", run_name="__main__")
    assert end.value.code == 1
    assert "2 findings in 1 file." in capsys.readouterr().out


def test_help_is_a_success(capsys: Output) -> None:
    assert main(["--help"]) == 0
    assert "--explain" in capsys.readouterr().out
