"""The progress bar: in place on a terminal, and line by line everywhere else."""

import io

import pytest

from backup import Progress, Totals
from bar import Bar, share

HALF = Progress("copying", 4), Totals(2, 3_000_000, 1_000_000)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_says_how_far_it_is() -> None:
    out = io.StringIO()
    Bar(out).show(*HALF)
    bar = "#" * 15 + "." * 15
    assert out.getvalue() == f"  [{bar}]  50%  copying   2/4 files, 3.0 MB, 1.0 MB saved\n"


def test_a_bar_without_terminal_speaks_once_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 10.5, 10.9, 11.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    out = io.StringIO()
    bar = Bar(out)
    for _ in range(4):
        bar.show(*HALF)
    assert out.getvalue().count("\n") == 2


def test_a_bar_on_a_terminal_stays_in_its_line() -> None:
    out = Terminal()
    bar = Bar(out)
    bar.show(*HALF)
    bar.leave(*HALF)
    bar.say("killed")
    assert out.getvalue().count("\r\x1b[K  [") == 2
    assert out.getvalue().endswith("1.0 MB saved\nkilled\n")


def test_nothing_to_copy_has_no_share() -> None:
    assert share(Progress("listing"), Totals()) == 0.0
