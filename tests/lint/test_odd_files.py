"""Odd files and folders: each is told of by name, and none keeps the others from being read."""

from pathlib import Path

import pytest

from perdure.lint import Finding, lint

STORY = "import time\n@app.orchestration\nasync def story(ctx):\n    time.time()\n"


def told(folder: Path) -> list[tuple[str, str, str]]:
    def row(found: Finding) -> tuple[str, str, str]:
        return found.path.relative_to(folder).as_posix(), found.code, found.message

    return [row(found) for found in lint([folder])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "story.py").write_text(STORY)
    return tmp_path


def test_a_link_to_nowhere_is_told(folder: Path) -> None:
    (folder / "gone.py").symlink_to("nowhere.py")
    assert told(folder) == [
        ("gone.py", "PER100", "cannot be read: No such file or directory"),
        ("story.py", "PER101", "`time.time()` reads the machine's clock"),
    ]


def test_links_in_a_circle_are_not_followed(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "back").symlink_to(folder)
    (folder / "round").symlink_to(".")
    assert [name for name, _, _ in told(folder)] == ["story.py"]


@pytest.mark.parametrize("levels", [700, 5_000])
@pytest.mark.parametrize("code", ["x = ctx{}\n", "x = 1{}\n"])
def test_code_that_is_too_deep_is_told(folder: Path, code: str, levels: int) -> None:
    deeper = ".a" if "ctx" in code else " + 1"
    (folder / "deep.py").write_text(code.format(deeper * levels))
    assert told(folder)[0] == (
        "deep.py",
        "PER100",
        "cannot be read: nested more than 600 levels deep",
    )
    assert len(told(folder)) == 2


def test_a_folder_without_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(FileNotFoundError, match="there is no Python file in"):
        lint([tmp_path])
    with pytest.raises(FileNotFoundError, match="in no path at all"):
        lint([])
