"""The write-ahead log of SQLite: whether something durable lies behind a damage.

SQLite reads a log up to the first frame that is wrong and takes the rest for a transaction that was
never finished. That is right after a power failure, when only the last transaction can be
unfinished. Whoever finds two whole transactions behind the end has lost what was durable.
The format is described in https://www.sqlite.org/fileformat2.html#the_write_ahead_log.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

_HEADER, _FRAME = 32, 24
_BIG_ENDIAN = 0x377F0683
_TRANSACTIONS_LOST = 2
"""One may be the last, which a power failure tore."""

Sums = tuple[int, int]


@frozen
class _Frame:
    salts: bytes
    ends_transaction: bool
    sums: Sums
    """Of everything up to here, as they are written."""
    summed: bytes
    """What of this frame they are made of."""


def is_cut_off(log: Path, valid: int) -> bool:
    """Whether whole transactions lie behind the `valid` frames that SQLite reads."""
    if not log.exists():
        return False
    with log.open("rb") as file:
        header = file.read(_HEADER)
        if len(header) < _HEADER:
            return False
        order = ">" if _number(header, 0) == _BIG_ENDIAN else "<"
        if _sums((0, 0), header[:24], order) != struct.unpack_from(">II", header, 24):
            # It is written and synced before any frame.
            return bool(file.read(1))
        page_size = _number(header, 8)
        file.seek(_HEADER + valid * (_FRAME + page_size))
        return _whole_transactions(file, page_size, header[16:24], order) >= _TRANSACTIONS_LOST


def frames_valid(log: Path) -> int:
    """How many frames SQLite would read, for whoever must not let it touch the log."""
    if not log.exists():
        return 0
    with log.open("rb") as file:
        header = file.read(_HEADER)
        if len(header) < _HEADER:
            return 0
        order = ">" if _number(header, 0) == _BIG_ENDIAN else "<"
        sums, valid = struct.unpack_from(">II", header, 24), 0
        for number, frame in enumerate(_frames(file, _number(header, 8)), 1):
            sums = _sums(sums, frame.summed, order)
            if frame.salts != header[16:24] or sums != frame.sums:
                break
            valid = number if frame.ends_transaction else valid
        return valid


def _whole_transactions(file: BinaryIO, page_size: int, salts: bytes, order: str) -> int:
    """How many ends of transactions are in one unbroken row of frames of this log.

    What an attempt that failed has left behind is a row of its own, with one end at most.
    """
    ends, before = 0, None
    for frame in _frames(file, page_size):
        if frame.salts != salts:
            return ends
        if before is None or _sums(before, frame.summed, order) != frame.sums:
            ends = 0
        ends += frame.ends_transaction
        if ends >= _TRANSACTIONS_LOST:
            return ends
        before = frame.sums
    return ends


def _frames(file: BinaryIO, page_size: int) -> Iterator[_Frame]:
    while len(read := file.read(_FRAME + page_size)) == _FRAME + page_size:
        sums = struct.unpack_from(">II", read, 16)
        yield _Frame(
            read[8:16], _number(read, 4) != 0, (sums[0], sums[1]), read[:8] + read[_FRAME:]
        )


def _sums(seed: Sums, data: bytes, order: str) -> Sums:
    first, second = seed
    for one, other in struct.iter_unpack(f"{order}II", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second


def _number(data: bytes, offset: int) -> int:
    (number,) = struct.unpack_from(">I", data, offset)
    return int(number)
