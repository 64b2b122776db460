"""What `# noqa` and `ignore` silence, and what cannot be read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.lint import Finding, lint

Lint = Callable[[str], list[Finding]]

PROGRAM = """\
import time, uuid
@app.orchestration
async def story(ctx):
    found = (time.time(), uuid.uuid4()){}
"""


@pytest.mark.parametrize(
    ("comment", "codes"),
    [
        ("", ["PER101", "PER103"]),
        ("  # noqa", []),
        ("  # NOQA", []),
        ("  # noqa: PER101", ["PER103"]),
        ("  # noqa: PER101, PER103", []),
        ("  # noqa:PER103 PER101 - both are meant", []),
        ("  # noqa: per101", ["PER103"]),
        ("  # noqa: PER1", []),
        ("  # noqa: E501", ["PER101", "PER103"]),
        ("  # quite # noqa: PER103", ["PER101"]),
        ('; text = "# noqa"', ["PER101", "PER103"]),
    ],
)
def test_a_comment_silences_its_codes(comment: str, codes: list[str], linted: Lint) -> None:
    assert [found.code for found in linted(PROGRAM.format(comment))] == codes


def test_a_comment_may_stand_at_either_end(linted: Lint) -> None:
    program = PROGRAM.replace("time.time()", "time.clock_gettime({}\n    1)")
    assert [f.code for f in linted(program.format("", ""))] == ["PER101", "PER103"]
    assert [f.code for f in linted(program.format("  # noqa: PER101", ""))] == ["PER103"]
    assert [f.code for f in linted(program.format("", "  # noqa: PER101"))] == ["PER103"]


def test_codes_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM.format(""), "utf-8")
    assert [found.code for found in lint([tmp_path], ignore=["PER101"])] == ["PER103"]
    assert lint([tmp_path], ignore=["PER1"]) == []


def test_a_comment_counts_where_the_helper_is(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text("import time\ndef now(): return time.time()  # noqa\n")
    (tmp_path / "main.py").write_text(
        "from steps import now\n@app.orchestration\nasync def story(ctx): now()\n"
    )
    assert lint([tmp_path / "main.py"]) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"def broken(:\n", "invalid syntax"),
        (b"x = '\xff'\n", "invalid or missing encoding declaration"),
        (b"a = 1\nb = 2\nx = '\xff'\n", "can't decode byte 0xff"),
        (b"# coding: klingon\n", "unknown encoding"),
        (b"x = 1\0\n", "null bytes"),
        (b"if x:\npass\n", "expected an indented block"),
    ],
)
def test_a_file_that_is_no_python_is_reported(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_bytes(content)
    (found,) = lint([tmp_path])
    assert (found.code, found.path) == ("PER100", tmp_path / "broken.py")
    assert message in found.message


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*gone\.py"):
        lint([tmp_path / "gone.py"])


def test_folders_of_others_are_left_out(tmp_path: Path) -> None:
    for folder in ("mine", ".venv", "node_modules", "build", ".hidden"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "program.py").write_text(PROGRAM.format(""), "utf-8")
    assert {found.path.parent.name for found in lint([tmp_path])} == {"mine"}


def test_a_path_given_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(""), "utf-8")
    assert len(lint([path, tmp_path, str(path)])) == 2
