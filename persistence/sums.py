"""The checksum of a row: what has changed since it was written is found when it is read.

1.  It is the CRC-32 of the row's columns as a JSON array in UTF-8, without spaces: in the order of
    its record's fields, and without what the database numbers itself. A single changed bit changes
    it for certain, any other damage but for one case in four thousand million.
2.  Whoever binds a row for writing computes it, whoever reads the row compares.
3.  A row that was found damaged and has to be written gets `NO_SUM`, so that it stays damaged.
4.  A row that lacks a sum was written before there were any, and nobody can say. A hub that had no
    rows then reads `NO_SUM` in its place, as only damage makes a sum disappear.

Columns that are added one day are left out while they are NULL: other sums are never computed anew.
"""

import json
from collections.abc import Sequence
from zlib import crc32

import orjson

from ..actors.damage import encoded, legible

NO_SUM = -1
"""What no row has."""


def sum_of(values: Sequence[object]) -> int:
    """The sum of these columns."""
    try:
        return crc32(orjson.dumps(values))
    except TypeError:
        return _slow_sum_of(values)


def _slow_sum_of(values: Sequence[object]) -> int:
    """The same by other means; `NO_SUM` for what no row holds."""
    try:
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
        return crc32(encoded(text))
    except (TypeError, UnicodeEncodeError):
        return NO_SUM


def is_sound(values: Sequence[object], found: int | None) -> bool:
    """Whether the sum that was found is theirs, or there is none to go by."""
    # Two JSON writers, lest a new version of the fast one finds damage everywhere.
    return found is None or found == sum_of(values) or found == _slow_sum_of(values) != NO_SUM


def damaged(table: str, *key: object, why: str = "its checksum differs") -> str:
    """What is said of a row that is not what was written."""
    shown = ", ".join(repr(legible(part) if isinstance(part, str) else part) for part in key)
    return (
        f"row {shown} of table {table} is damaged, as {why}: "
        "restore a backup, or purge what it belongs to; `perdure doctor` lists all such rows"
    )
