"""python -m benchmarks.work: how much work each thing takes, against what it took.

`work.json` beside this file has what it took, and tests/benchmarks/test_work.py fails when it has
become more than `TOLERANCE` allows, or so much less that the file allows too much. `--renew` writes
what it takes now. Calls differ from one Python to the next, so that they are kept for each.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from attrs import asdict, frozen

from .counting import COUNTED, Work, counted

PLACE = Path(__file__).with_name("work.json")
RENEW = "python -m benchmarks.work --renew"

TOLERANCE = 0.10
"""So much more is no failure: others may add a little."""
SLACK = 0.20
"""So much less is one: what was gained would be lost again unnoticed."""
OTHER_PYTHON = 0.30
"""How far calls may be from those of the nearest Python that was counted, either way."""
WRITTEN = ("commits", "rows", "bytes")
"""What is the same in all Pythons."""

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@frozen
class Baseline:
    """What the things of one workload took."""

    written: dict[str, float]
    calls: float
    modules: dict[str, float]
    python: str
    """The one that the calls are of."""


def baseline(name: str, version: str = VERSION, place: Path = PLACE) -> Baseline:
    """What is kept of a workload; calls are those of this Python or of the nearest."""
    kept: dict[str, Any] = orjson.loads(place.read_bytes())
    near = min(kept["calls"], key=lambda known: (abs(_minor(known) - _minor(version)), known))
    modules: dict[str, float] = kept["calls"][near][name]
    return Baseline(kept["written"][name], round(sum(modules.values()), 2), modules, near)


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def complaints(name: str, work: Work, known: Baseline, version: str = VERSION) -> list[str]:
    """What has changed by more than is allowed, in words."""
    found = [
        _judged(name, what, getattr(work, what), known.written[what], TOLERANCE, SLACK)
        for what in WRITTEN
    ]
    same = known.python == version
    up, down = (TOLERANCE, SLACK) if same else (OTHER_PYTHON, OTHER_PYTHON)
    what = "calls" if same else f"calls (those of Python {known.python})"
    changed = _judged(name, what, work.calls, known.calls, up, down)
    found.append(f"{changed}; {_where(work, known)}" if changed else "")
    return [text for text in found if text]


def _judged(name: str, what: str, now: float, then: float, up: float, down: float) -> str:
    if then * (1 - down) <= now <= then * (1 + up):
        return ""
    verb, allowed = ("grew", up) if now > then else ("fell", down)
    change = f"{(now - then) / then:+.0%}" if then else "from nothing"
    return f"{name}: {what} {verb} from {then:,} to {now:,} each ({change}, allowed {allowed:.0%})"


def _where(work: Work, known: Baseline) -> str:
    changes = {
        module: work.modules.get(module, 0) - known.modules.get(module, 0)
        for module in work.modules | known.modules
    }
    most = sorted(changes.items(), key=lambda change: -abs(change[1]))[:4]
    return "most in " + ", ".join(f"{module} {change:+.1f}" for module, change in most)


def renew(works: dict[str, Work], place: Path = PLACE, version: str = VERSION) -> None:
    """Keep what it takes now, beside the calls of other Pythons."""
    kept: dict[str, Any] = orjson.loads(place.read_bytes()) if place.exists() else {"calls": {}}
    kept["written"] = {
        name: {what: getattr(work, what) for what in WRITTEN} for name, work in works.items()
    }
    kept["calls"][version] = {name: work.modules for name, work in works.items()}
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    place.write_bytes(orjson.dumps(kept, option=options))


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, and compare or keep."""
    parser = argparse.ArgumentParser("python -m benchmarks.work", description=__doc__)
    parser.add_argument("--renew", action="store_true", help="write what it takes now")
    parser.add_argument("--json", action="store_true", help="print a JSON object per workload")
    asked = parser.parse_args(arguments)
    works = {name: counted(name) for name in COUNTED}
    for name, work in works.items():
        if asked.json:
            print(orjson.dumps({"workload": name} | asdict(work)).decode())
        else:
            shown = (f"{getattr(work, what):>12,} {what}" for what in (*WRITTEN, "calls"))
            print(f"{name:<10}", *shown)
    if asked.renew:
        renew(works)
        return
    changed = [
        text for name, work in works.items() for text in complaints(name, work, baseline(name))
    ]
    if changed:
        sys.exit("\n".join([*changed, f"If that is meant: {RENEW}"]))


if __name__ == "__main__":
    main()
