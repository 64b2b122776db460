"""Every Python block that the README and the docs show is run, in the order of its page.

The blocks of one page are one program. A block that cannot run stands directly below
`<!-- not run: the reason -->` and must at least compile.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[1]
PAGES = [page for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))] if page.exists()]
FENCE = re.compile(
    r"^(?P<margin> *)```python\b[^\n]*\n(?P<code>.*?)^(?P=margin)```", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\]\((?P<path>[^)#:\s]+)(?:#[^)]*)?\)")
NOT_RUN = re.compile(r"<!-- not run: \S[^\n]* -->\s*\Z")


@frozen
class Block:
    """Python code on a page."""

    line: int
    code: str
    runs: bool


def blocks(text: str) -> Iterator[Block]:
    for fence in FENCE.finditer(text):
        line = text.count("\n", 0, fence.start("code")) + 1
        runs = NOT_RUN.search(text, 0, fence.start()) is None
        yield Block(line, dedent(fence["code"]), runs)


def program(page: list[Block]) -> str:
    """Put the running blocks on the lines they have on the page, so that a traceback fits it."""
    lines: list[str] = []
    for block in page:
        if block.runs:
            lines += [""] * (block.line - 1 - len(lines))
            lines += block.code.splitlines()
    return "\n".join(lines) + "\n"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    found = list(blocks(page.read_text("utf-8")))
    for block in found:
        text = "\n" * (block.line - 1) + block.code
        compile(text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    script = tmp_path / f"{page.stem}.md.py"
    script.write_text(program(found), "utf-8")
    workplace = tmp_path / "workplace"
    workplace.mkdir()
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        check=False,
        cwd=workplace,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, f"{page}\n{ran.stdout}{ran.stderr}"


def test_the_readme_survives_kill_and_repetition(tmp_path: Path) -> None:
    text = program(list(blocks((ROOT / "README.md").read_text("utf-8"))))
    deadly = text.replace('print(account, "was told")', "import os; os._exit(9)")
    assert deadly != text
    ran = [
        subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=50,
        )
        for code in (deadly, text, text)
    ]
    assert [process.returncode for process in ran] == [9, 0, 0], ran
    told, repeated = ran[1].stdout.splitlines(), ran[2].stdout
    assert sorted(told) == ["alice has 70", "alice was told", "bob was told"]
    assert repeated == "alice has 70\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    lost = [
        link["path"] for link in LINK.finditer(text) if not (page.parent / link["path"]).exists()
    ]
    assert not lost


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_contents_of_a_page_are_its_headings(page: Path) -> None:
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert not set(re.findall(r"\]\(#([^)]+)\)", text)) - anchors


def test_the_architecture_names_what_there_is() -> None:
    """Check paths like `actors/kernel.py` or `faults/`, and names like `Partition.forget`."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    runtime = ("runtime", "runtime/client", "runtime/engine", "runtime/sharing")
    folders = [ROOT / folder for folder in ("", "actors", "persistence", "tests", *runtime)]
    paths = set(re.findall(r"`([a-z_/]+(?:\.py|/))`", text))
    lost = {path for path in paths if not any((folder / path).exists() for folder in folders)}
    known = {name for row in ("actors", "persistence", "runtime") for name in members(ROOT / row)}
    assert not lost | set(re.findall(r"`([A-Z]\w+\.\w+)`", text)) - known


def members(folder: Path) -> Iterator[str]:
    """Give what the classes below a folder define, as `Class.name`."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                        yield f"{node.name}.{inner.name}"
                    elif isinstance(inner, ast.AnnAssign):
                        yield f"{node.name}.{ast.unparse(inner.target)}"


PAGE = """\
```python
first = 1
```
<!-- not run: it needs a server -->

```python
await nowhere()
```

    ```python
    assert first == 1
    ```
"""


def test_blocks_keep_their_lines_and_their_order() -> None:
    first, second, third = blocks(PAGE)
    assert (first.line, first.runs) == (2, True)
    assert (second.line, second.runs) == (7, False)
    assert (third.line, third.code) == (11, "assert first == 1\n")
    assert program([first, second, third]) == "\nfirst = 1" + "\n" * 9 + "assert first == 1\n"
