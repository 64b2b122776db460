"""`perdure check`: what does not fit is listed, and the exit status tells of it."""

import subprocess
import sys
from pathlib import Path
from typing import Any


def begin(perdure: Any, hub: Any) -> None:
    perdure("start", "waits", '"tea"', "--id", "w")
    perdure("start", "adds", '"l"', "--wait")
    hub.recorded("w", "ExecutionStarted")


def test_code_that_fits_is_told(perdure: Any, hub: Any, at_the_shop: None) -> None:
    begin(perdure, hub)
    said = perdure("check", "shop:app")
    assert said == "1 orchestrations and 1 entities were checked; all fit\n"
    assert perdure.json("check", "shop:make_app") == [
        {"instances": 1, "entities": 1, "leftOut": 0, "misfits": 0}
    ]


def test_what_does_not_fit_ends_with_one(perdure: Any, hub: Any, at_the_shop: None) -> None:
    begin(perdure, hub)
    code, said, _ = perdure.run("check", "shop:closed")
    assert code == 1
    assert "problem w (waits): missing definition\n  no orchestration 'waits" in said
    assert "problem @counter@l (counter): missing definition" in said
    assert "missing definition: register it again, or terminate what needs it" in said
    assert "1 orchestrations and 1 entities were checked; 2 do not fit" in said


def test_misfits_are_lines_of_json(perdure: Any, hub: Any, at_the_shop: None) -> None:
    begin(perdure, hub)
    code, out, _ = perdure.run("check", "shop:closed", "--json")
    assert code == 1
    assert out.count("\n") == 3
    assert '"level":"problem","id":"w","name":"waits","problem":"missing definition"' in out


def test_endless_code_is_told_in_time(perdure: Any, hub: Any, at_the_shop: None) -> None:
    perdure("start", "waits", '"tea"', "--id", "w")
    hub.recorded("w", "ExecutionStarted")
    code, said, _ = perdure.run("check", "shop:endless", "--seconds-max", "0.3")
    assert code == 1
    assert "problem w (waits): endless\n  it had not come to its end after 0.3 s\n  at " in said
    assert "endless: let each round of a loop await what has not come yet, or give" in said
    said = perdure.refused(2, "check", "shop:endless", "--seconds-max", "0")
    assert "it has to be more than 0" in said


def test_a_call_that_never_returns_ends_the_check(perdure: Any, hub: Any, path: Path) -> None:
    perdure("start", "waits", '"tea"', "--id", "w")
    hub.recorded("w", "ExecutionStarted")
    command = [sys.executable, "-m", "perdure", "check", "shop:stubborn", "--store", str(path)]
    ended = subprocess.run(
        [*command, "--seconds-max", "1"],
        cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "shop.py" in ended.stderr
    assert "in counts" in ended.stderr


def test_the_rest_of_a_sample_is_told(perdure: Any, hub: Any, at_the_shop: None) -> None:
    for name in "abc":
        perdure("start", "waits", "--id", name)
    said = perdure("check", "shop:app", "--sample", "1")
    assert said.startswith("1 orchestrations and 0 entities were checked (2 are not in the sample)")


def test_a_store_has_to_be_there(perdure: Any, path: Path, at_the_shop: None) -> None:
    assert f"there is no store {path}" in perdure.refused(3, "check", "shop:app")
    assert not path.exists()
    said = perdure.refused(2, "check", "shop:app", "--url", "http://127.0.0.1:1")
    assert "check works on the store itself" in said
