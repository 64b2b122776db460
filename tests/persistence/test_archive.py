"""Lines of an archive: all of a row comes back, and nothing else is taken for one."""

from typing import Any

import orjson
import pytest

from perdure import Status
from perdure.persistence.archive import ArchiveError, read_whole, write_whole
from perdure.persistence.records import (
    EntityRow,
    InstanceRow,
    MessageRow,
    TimerRow,
    TurnRow,
    Whole,
)

ORCHESTRATION = Whole(
    "a",
    InstanceRow(
        "a", "e", "n", "1.2", Status.SUSPENDED, 1, 2, 3, 4, "p", {"k": "v", "": ""},
        "1e400", "out", "failure", "custom", "parked", True,
    ),
    turns=[TurnRow("a", 0, 5, '[{"type":"Unknown"}]'), TurnRow("a", 1, 6, "no JSON", "{}")],
    timers=[TimerRow("a", 1, "e", 7)],
    messages=[MessageRow(-1, "a", "body \u0000", "e", 8)],
)  # fmt: skip
ENTITY = Whole("@c@k", entity=EntityRow("@c@k", 9, "0", "a", "{}", "parked"))


@pytest.mark.parametrize("whole", [ORCHESTRATION, ENTITY])
def test_every_field_comes_back_from_a_line(whole: Whole) -> None:
    line = write_whole(whole)
    assert b"\n" not in line
    assert read_whole(line) == whole


def test_a_status_is_written_in_words() -> None:
    document = orjson.loads(write_whole(ORCHESTRATION))
    assert document["instance"]["status"] == "Suspended"
    assert document["turns"][0]["events"] == '[{"type":"Unknown"}]'


def changed(**parts: Any) -> bytes:
    return orjson.dumps(orjson.loads(write_whole(ORCHESTRATION)) | parts)


def row(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(write_whole(ORCHESTRATION))["instance"]
    return found | fields


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{", "it is no JSON object: "),
        (b"[]", "it is no JSON object: "),
        (b'{"id":"a"}', "its format is None"),
        (changed(format=2), "its format is 2, this Perdure reads 1: "),
        (changed(extra=1), "it has entity, extra, format, id, "),
        (changed(id=1), "expected str, got int 1"),
        (changed(instance=row(status="Idle")), "@ instance.status"),
        (changed(instance=row(created="1")), "expected int @ instance.created"),
        (changed(instance=row(color="red")), "instance has color, which this Perdure lacks"),
        (changed(turns=[{"instance_id": "a"}]), "turns"),
        (changed(id="b"), "'b' holds rows of 'a'"),
        (changed(entity=row()), "entity has completed, created"),
        (changed(instance=None, turns=[], timers=[], messages=[]), "'a' is empty"),
    ],
)
def test_what_is_no_whole_line_is_refused(line: bytes, complaint: str) -> None:
    with pytest.raises(ArchiveError, match=complaint):
        read_whole(line)


def test_a_gap_in_the_history_is_refused() -> None:
    document = orjson.loads(write_whole(ORCHESTRATION))
    del document["turns"][0]
    with pytest.raises(ArchiveError, match="'a' lacks turns of its history"):
        read_whole(orjson.dumps(document))


def test_an_id_that_nobody_may_bear_is_refused() -> None:
    with pytest.raises(ArchiveError, match="not allowed"):
        read_whole(changed(id="a/b"))
