"""The lint raises no false alarm: what it finds in this project is meant to be so."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from perdure.lint import RULES, lint, main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
FENCE = re.compile(
    r"^(?P<margin> *)```python\b[^\n]*\n(?P<code>.*?)^(?P=margin)```", re.MULTILINE | re.DOTALL
)

MEANT = {
    "tests/stories/test_anyio_strangers.py": {"PER106", "PER115"},
    "tests/stories/test_chaining.py": {"PER113"},
    "tests/stories/test_children.py": {"PER113"},
    "tests/stories/test_composites.py": {"PER113"},
    "tests/stories/test_context_members.py": {"PER115"},
    "tests/stories/test_continue_as_new.py": {"PER113"},
    "tests/stories/test_generators.py": {"PER113"},
    "tests/stories/test_http_calls.py": {"PER113"},
    "tests/stories/test_rewind.py": {"PER113", "PER115"},
    "tests/stories/test_rewind_after_compensation.py": {"PER113"},
    "tests/stories/test_rewind_and_entities.py": {"PER113"},
    "tests/stories/test_terminate.py": {"PER113"},
    "tests/stories/test_timers.py": {"PER113"},
}
"""Stories about what the lint warns of: lost tasks, and lists that show what ran again."""


@pytest.mark.parametrize("folder", ["examples", "benchmarks"])
def test_the_programs_of_the_project_are_clean(folder: str) -> None:
    assert lint([ROOT / folder]) == []


def test_the_stories_do_only_what_they_mean() -> None:
    found: dict[str, set[str]] = {}
    for finding in lint([ROOT / "tests" / "stories"]):
        name = finding.path.relative_to(ROOT).as_posix()
        found.setdefault(name, set()).add(finding.code)
    assert found == MEANT


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_programs_of_a_page_are_clean(page: Path, tmp_path: Path) -> None:
    script = tmp_path / f"{page.stem}.py"
    script.write_text("\n".join(blocks(page)), "utf-8")
    assert lint([script]) == []


def blocks(page: Path) -> Iterator[str]:
    """Give the Python of a page."""
    for fence in FENCE.finditer(page.read_text("utf-8")):
        yield dedent(fence["code"])


def test_the_table_of_codes_is_the_rules() -> None:
    text = (ROOT / "docs" / "lint.md").read_text("utf-8")
    rows = re.findall(r"^\| (PER\d+) \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    words = {"it": "...", "ctx": "ctx", "await": "await"}
    assert rows == [
        (rule.code, rule.finds, rule.why, rule.fix.format_map(words)) for rule in RULES.values()
    ]


def test_the_page_shows_what_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "lint.md").read_text("utf-8")
    program = re.search(r'write_text\("""\\\n(.*?)"""\)', text, re.DOTALL)
    shown = re.search(r"^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert program is not None
    assert shown is not None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.py").write_text(program[1], "utf-8")
    assert main(["orders.py"]) == 1
    assert capsys.readouterr().out == shown[1]
