"""The lint follows an orchestrator into what it calls, in the file and beside it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.lint import Finding, lint

Lint = Callable[[str], list[Finding]]


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


ORCHESTRATOR = "@app.orchestration\nasync def story(ctx):\n    {}\n"

CALLS = {
    "a function": "def impure(): time.time()\n" + ORCHESTRATOR.format("impure()"),
    "through another": (
        "def impure(): time.time()\ndef between(): return impure()\n"
        + ORCHESTRATOR.format("between()")
    ),
    "itself again": "def impure(n): time.time(); impure(n)\n" + ORCHESTRATOR.format("impure(1)"),
    "handed on": (
        "async def impure(ctx): time.time()\n"
        + ORCHESTRATOR.format("group.start_soon(impure, ctx)")
    ),
    "a key": "def impure(n): return time.time()\n" + ORCHESTRATOR.format("sorted([], key=impure)"),
    "a new object": (
        "class Box:\n    def __init__(self): time.time()\n" + ORCHESTRATOR.format("Box()")
    ),
    "a method": (
        "class Box:\n    def look(self): self.impure()\n    def impure(self): time.time()\n"
        + ORCHESTRATOR.format("box = Box(); box.look()")
    ),
    "an inherited method": (
        "class Base:\n    def impure(self): time.time()\nclass Box(Base): ...\n"
        + ORCHESTRATOR.format("Box().impure()")
    ),
    "a method of an attribute": (
        "class Inner:\n    def impure(self): time.time()\n"
        "class Box:\n    inner: Inner\n"
        "@app.orchestration\nasync def story(ctx, box: Box): box.inner.impure()\n"
    ),
    "under another name": (
        "def impure(): time.time()\n" + ORCHESTRATOR.format("look = impure; look()")
    ),
    "a method of an input": (
        "class Box:\n    def impure(self): time.time()\n"
        "@app.orchestration\nasync def story(ctx, box: Box): box.impure()\n"
    ),
    "a property": (
        "class Box:\n    @property\n    def impure(self): return time.time()\n"
        + ORCHESTRATOR.format("Box().impure")
    ),
    "what a function returns": (
        "class Box:\n    def impure(self): time.time()\ndef make() -> Box: ...\n"
        + ORCHESTRATOR.format("make().impure()")
    ),
    "a method of itself": (
        "class Steps:\n    def impure(self): time.time()\n"
        "    async def run(self, ctx: OrchestrationContext): self.impure()\n"
    ),
}


@pytest.mark.parametrize("way", CALLS)
def test_what_an_orchestrator_calls_is_read(way: str, linted: Lint) -> None:
    (found,) = linted("import time\n" + CALLS[way])
    assert found.code == "PER101"
    assert found.way[0] in {"story", "Steps.run"}


NOT_RUN = {
    "named as an activity": ORCHESTRATOR.format("await ctx.call_activity(impure, 1)"),
    "an operation": (
        "class Box:\n    def impure(self): time.time()\n"
        + ORCHESTRATOR.format("await ctx.entity(Box, 'b').call(Box.impure)")
    ),
    "another orchestration": ORCHESTRATOR.format("ctx.start_new(impure)"),
    "unknown members": (
        "class Box(Box): ...\n" + ORCHESTRATOR.format("Box().gone(); Box().gone.more")
    ),
    "named by the context": ORCHESTRATOR.format("ctx.spawn(impure)"),
    "never called": ORCHESTRATOR.format("pass"),
}


@pytest.mark.parametrize("way", NOT_RUN)
def test_what_runs_elsewhere_is_not_read(way: str, linted: Lint) -> None:
    assert linted("import time\ndef impure(): time.time()\n" + NOT_RUN[way]) == []


IMPORTS = {
    "from steps import impure": "impure()",
    "import steps": "steps.impure()",
    "import steps as s": "s.impure()",
    "from package.steps import impure": "impure()",
    "import package.steps": "package.steps.impure()",
    "from package import steps": "steps.impure()",
    "from package import impure": "impure()",
    "from package import shared": "shared.get('http://x')",
}


@pytest.mark.parametrize("line", IMPORTS)
def test_imports_lead_to_the_modules_beside(line: str, tmp_path: Path) -> None:
    steps = "import random\ndef impure(): return random.random()\n"
    written(
        tmp_path,
        {
            "main.py": f"{line}\n{ORCHESTRATOR.format(IMPORTS[line])}",
            "steps.py": steps,
            "package/steps.py": steps,
            "package/__init__.py": "import httpx\nfrom .steps import *\n"
            "from .steps import impure\nshared = httpx.Client()\n",
        },
    )
    (found,) = lint([tmp_path / "main.py"])
    assert found.code in {"PER102", "PER107"}


@pytest.mark.parametrize("line", ["from .steps import impure", "from ..top import impure"])
def test_relative_imports_are_followed(line: str, tmp_path: Path) -> None:
    steps = "import random\ndef impure(): return random.random()\n"
    written(
        tmp_path,
        {
            "app/__init__.py": "",
            "app/top.py": steps,
            "app/flows/__init__.py": "",
            "app/flows/main.py": f"{line}\n{ORCHESTRATOR.format('impure()')}",
            "app/flows/steps.py": steps,
        },
    )
    (found,) = lint([tmp_path / "app" / "flows" / "main.py"])
    assert found.way == ("story", "impure")
    assert found.source == "def impure(): return random.random()"


def test_absolute_imports_begin_at_the_project(tmp_path: Path) -> None:
    impure = "import random\ndef impure(): return random.random()\n"
    flow = f"from shop.steps import impure\n{ORCHESTRATOR.format('impure()')}"
    written(
        tmp_path,
        {
            "pyproject.toml": "",
            "src/shop/__init__.py": "",
            "src/shop/steps.py": impure,
            "flows/main.py": flow,
        },
    )
    (found,) = lint([tmp_path / "flows"])
    assert found.path.name == "steps.py"


def test_foreign_and_missing_modules_are_left_alone(tmp_path: Path) -> None:
    written(
        tmp_path,
        {
            "queue.py": "def put(): open('x')\n",
            "main.py": "import queue, steps\nfrom .gone import x\nfrom .... import y\n"
            + ORCHESTRATOR.format("steps.run(); x(); y(); queue.Empty"),
        },
    )
    assert lint([tmp_path]) == []


def test_modules_that_import_each_other_are_no_trouble(tmp_path: Path) -> None:
    written(
        tmp_path,
        {
            "one.py": "from two import a as b\n" + ORCHESTRATOR.format("b()"),
            "two.py": "from one import b as a\n",
        },
    )
    assert lint([tmp_path]) == []


def test_an_activity_elsewhere_is_known_as_one(tmp_path: Path) -> None:
    written(
        tmp_path,
        {
            "work.py": "@app.activity\ndef pay(): open('x')\n",
            "main.py": "import work\n" + ORCHESTRATOR.format("work.pay()"),
        },
    )
    assert [found.code for found in lint([tmp_path])] == ["PER116"]


def test_a_loop_that_somebody_else_ends_is_fine(linted: Lint) -> None:
    endless = "async def pump(ctx):\n    while True:\n        await ctx.create_timer(1)\n"
    started = "group.start_soon(pump, ctx)"
    assert linted(endless + ORCHESTRATOR.format(started)) == []
    assert linted(endless + ORCHESTRATOR.format("with move_on_after(1): await pump(ctx)")) == []
    (found,) = linted(endless + ORCHESTRATOR.format("await pump(ctx)"))
    assert found.code == "PER114"
