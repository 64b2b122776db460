"""The program as a process: `run`, `serve`, `host`, signals, pipes."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PERDURE = [sys.executable, "-W", "error", "-m", "perdure"]


@contextmanager
def process(*arguments: str, **options: Any) -> Generator[subprocess.Popen[str]]:
    """A command that goes on, in the folder of the shop."""
    with subprocess.Popen(
        [*PERDURE, *arguments],
        cwd=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def line_with(child: subprocess.Popen[str], text: str) -> str:
    """The next line that it says about this."""
    assert child.stderr is not None
    for line in child.stderr:
        if text in line:
            return line
    raise AssertionError(f"it ended without saying {text!r}")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_run_ends_well_on_a_signal(perdure: Any, at_the_shop: None, backend: str) -> None:
    with process("run", "shop:app", "--backend", backend) as child:
        assert "with adds, fails, hello" in line_with(child, "running")
        assert "Hello, b!" in perdure("start", "hello", '["a", "b"]', "--wait")
        said = perdure.refused(4, "run", "shop:app")
        assert f"is owned by the process with pid {child.pid}" in said
        child.send_signal(signal.SIGTERM if backend == "trio" else signal.SIGINT)
        assert line_with(child, "ending")
        assert child.wait(20) == 0


def test_a_module_gives_an_app_or_a_runtime(path: Path) -> None:
    for place in ("shop:make_app", "shop:runtime"):
        options = {"env": {k: v for k, v in os.environ.items() if k != "PERDURE_STORE"}}
        store = ["--store", str(path)] if place == "shop:make_app" else []
        with process("run", place, *store, **options) as child:
            line_with(child, "running")
            child.send_signal(signal.SIGINT)
            assert child.wait(20) == 0
    assert path.exists()


def test_a_served_app_answers_over_http(perdure: Any, path: Path) -> None:
    keys = ["--key", "full", "--read-key", "look"]
    with process("serve", "shop:app", "--port", "0", *keys) as child:
        url = line_with(child, "API at").partition("API at ")[2].partition(";")[0]
        assert "Hello" in perdure(
            "start", "hello", '["a"]', "--wait", "--url", url, "--key", "full"
        )
        assert perdure.json("count", "--url", url, "--key", "look")[0]["total"] == 1
        said = perdure.refused(1, "start", "hello", "--url", url, "--key", "look")
        assert "wants a key that allows this: give --key or PERDURE_KEY" in said
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 0


def test_a_functions_app_is_hosted_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "hello"
    shutil.copytree(HERE.parents[1] / "examples" / "functions" / "hello", folder)
    with process("host", str(folder), "--port", "0", "--key", "open sesame") as child:
        assert child.stdout is not None
        lines = iter(child.stdout.readline, "")
        assert any("hello_orchestrator: orchestrationTrigger" in line for line in lines)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)
        assert (child.returncode, "Traceback" in errors) == (0, False)


@pytest.mark.parametrize("command", [("serve", "shop:app"), ("host", ".")])
def test_an_open_address_wants_a_key(
    perdure: Any, at_the_shop: None, command: tuple[str, str]
) -> None:
    said = perdure.refused(2, *command, "--host", "0.0.0.0")  # noqa: S104 - it is refused
    assert "give the key that callers have to show by --key or PERDURE_KEY" in said


def test_a_folder_that_is_not_there_is_told(perdure: Any) -> None:
    assert "nowhere is no folder; name the one with" in perdure.refused(3, "host", "nowhere")


def test_a_port_beyond_the_last_is_refused(perdure: Any, at_the_shop: None) -> None:
    hello = str(HERE.parents[1] / "examples" / "functions" / "hello")
    for command in (("serve", "shop:app"), ("host", hello)):
        said = perdure.refused(1, *command, "--port", "99999")
        assert said.splitlines()[-1].startswith("perdure: there is no port 99999; the last one")


def test_a_watcher_ends_at_ctrl_c(perdure: Any, hub: Any) -> None:
    perdure("start", "waits", "--id", "x")
    with process("status", "x", "--watch", "--json") as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)
        assert (child.returncode, errors) == (130, "perdure: interrupted\n")


def test_a_closed_pipe_is_no_error(perdure: Any, hub: Any) -> None:
    for number in range(3):
        perdure("start", "waits", "--id", f"x{number}")
    with process("status", "x0", "--watch", "--json") as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        child.stdout.close()
        perdure("raise", "x0", "go", '"on"')
        assert child.wait(20) == 141
        assert child.stderr is not None
        assert child.stderr.read() == ""


ODD = """
def wants(name, *, size, colour="red"): ...
def gives_none(): ...
def fails(): return {}["no"]
"""


@pytest.fixture
def bad_shops(at_the_shop: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Beside the shop there are modules that cannot be imported."""
    shutil.copy(HERE / "shop.py", tmp_path)
    (tmp_path / "bad.py").write_text("1 / 0")
    (tmp_path / "lacking.py").write_text("import not_there_at_all")
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)")
    (tmp_path / "odd.py").write_text(ODD)
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("bad", "lacking", "leaves", "odd"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("place", "code", "complaint"),
    [
        ("shop", 2, "'shop' is not module:app, such as app:app"),
        ("shop.py:app", 2, "'shop.py:app' is a file: write shop:app"),
        ("nowhere:app", 3, "there is no module 'nowhere' in"),
        ("shop:nowhere", 3, "shop has no 'nowhere'"),
        ("shop:ap", 3, "shop has no 'ap'; did you mean shop:app or shop:runtime"),
        ("shop:broken", 2, "shop:broken is 5, and not an App, a Runtime, or a function without"),
        ("shop:greet", 2, "shop:greet is an async function, and not an App"),
        ("shop:greet", 2, "that returns one; did you mean shop:app or shop:runtime"),
        ("shop:Counter", 2, "shop:Counter is the class Counter, and not an App"),
        ("odd:wants", 2, "odd:wants is a function that wants name, size, and not an App"),
        ("odd:gives_none", 2, "odd:gives_none is None, and not an App"),
        ("odd:fails", 1, "odd:fails fails (KeyError: 'no'): see --debug"),
        ("odd:gives_non", 3, "odd has no 'gives_non'; did you mean odd:gives_none?"),
        ("leaves:app", 1, "leaves fails to be imported (SystemExit: 0)"),
        ("bad:app", 1, "bad fails to be imported (ZeroDivisionError: division by zero)"),
        ("lacking:app", 1, "lacking needs not_there_at_all, which is not installed"),
        ("shop:runtime", 2, "shop:runtime is a Runtime with a store of its own"),
    ],
)
def test_an_app_that_cannot_be_is_told(
    perdure: Any, bad_shops: None, place: str, code: int, complaint: str
) -> None:
    assert complaint in perdure.refused(code, "run", place, "--store", "new.db")
    assert not Path("new.db").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "shop:app", "--backend", "curio"], "there are asyncio and trio"),
        (["run", "shop:app", "--log-level", "loud"], "there is no level 'loud'"),
        (["serve", "shop:app", "--read-key", "look"], "--read-key needs --key"),
        (["serve", "shop:app", "--key", "é"], "--key (or PERDURE_KEY) has to be a text of"),
        (["serve", "shop:app", "--key", "a", "--read-key", "é"], "--read-key (or PERDURE_READ_KEY"),
        (["serve", "shop:app", "--key", "a", "--read-key", "a"], "give two keys"),
        (["host", ".", "--key", "é"], "--key (or PERDURE_KEY) has to be a text of printable"),
    ],
)
def test_wrong_options_of_running_are_told(
    perdure: Any, at_the_shop: None, arguments: list[str], complaint: str
) -> None:
    assert complaint in perdure.refused(2, *arguments)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(name='typer')")
    ran = subprocess.run(
        PERDURE,
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert ran.returncode == 1
    assert ran.stderr == ("perdure: the command line needs typer: pip install 'perdure[cli]'\n")
