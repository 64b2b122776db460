"""What killed processes left, damaged: somebody tells, or what clients were told still holds."""

from collections import Counter
from pathlib import Path

from .damaged_stores import killed, tried


def test_no_damage_is_silently_accepted(tmp_path: Path) -> None:
    found = tried(24, 1, killed(tmp_path, 1))
    assert not [name for name, outcomes in found.items() if outcomes["unseen"]]
    assert not [
        name for name, outcomes in found.items() if outcomes["undone"] and "log" not in name
    ]
    told = sum(found.values(), Counter[str]())
    assert told["refused"] + told["told"] + told["doctor"] > 6
