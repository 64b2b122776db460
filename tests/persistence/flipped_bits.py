"""What single flipped bits in a hub's file come to: `python flipped_bits.py BITS SEED`.

Each bit is flipped in a fresh copy of one file, and all that can be read is compared with what was
there before. `nothing`: it is the same. `refused`: the file cannot be opened, or not read. `told`:
what differs is damaged by its checksum. `doctor`: only `perdure doctor` finds it. `unseen`: nobody.
"""

import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from perdure import PerdureError, Status
from perdure.persistence.contract.rows import FIRST, Owner, entity, instance, message, turn
from perdure.persistence.records import Query, TimerRow, Whole
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.sqlite_checkup import examine

ACTORS = 60


def fill(path: Path) -> None:
    """Leave orchestrations, entities, timers and messages in a file of some 200 KB."""
    with closing(SQLiteStore(path)) as store:
        owner = Owner(store)
        for number in range(ACTORS):
            actor_id, key = f"order-{number:03}", f"@account@{number:03}"
            text = f'"{Random(number).randbytes(100).hex()}"'  # noqa: S311 - not for secrets
            turns = [turn(actor_id, step) for step in range(4)]
            for recorded in turns:
                recorded.events = f"[{text},{text}]"
            status = Status.COMPLETED if number % 2 else Status.RUNNING
            owner.commit(
                instances={actor_id: instance(actor_id, status=status, input=text, output=text)},
                entities={key: entity(key, state=text)},
                turns=turns,
                timers_set=[TimerRow(actor_id, 1, FIRST, 10**15)],
                sent=[message(actor_id, number + 1)],
            )
            store.post([message(actor_id)])


Read = tuple[dict[str, Whole], list[str]]


def everything(store: SQLiteStore) -> Read:
    """All actors, and the ids that a query finds."""
    wholes = {whole.id: whole for whole in store.export()}
    return wholes, [row.id for row in store.query(Query(), ACTORS).rows]


def outcome(path: Path, sound: Read) -> str:
    """What becomes of whoever reads this file."""
    try:
        with closing(SQLiteStore(path)) as store:
            found = everything(store)
            damaged = [row.damage for row in store.query(Query(), ACTORS).rows]
    except PerdureError:
        return "refused"
    differs = found != sound
    told = [whole.damage for whole in found[0].values()] + damaged
    if any(told):
        return "told"
    checkup = examine(path, 0)
    if checkup.damage or (checkup.rows is not None and checkup.rows.damaged.count):
        return "doctor"
    return "unseen" if differs else "nothing"


def flip(bits: int, seed: int) -> tuple[Counter[str], list[int]]:
    """How often which outcome was seen, and the bits that nobody has seen."""
    chosen = Random(seed)  # noqa: S311 - not for secrets
    counts, unseen = Counter[str](), list[int]()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "hub.db"
        fill(path)
        with closing(SQLiteStore(path)) as store:
            sound = everything(store)
        content = path.read_bytes()
        for _ in range(bits):
            bit = chosen.randrange(len(content) * 8)
            for file in Path(folder).glob("hub.db*"):
                file.unlink()
            hurt = bytearray(content)
            hurt[bit // 8] ^= 1 << bit % 8
            path.write_bytes(hurt)
            counts[found := outcome(path, sound)] += 1
            if found == "unseen":
                unseen.append(bit)
    return counts, unseen


if __name__ == "__main__":
    numbers, left = flip(int(sys.argv[1]), int(sys.argv[2]))
    found = ", ".join(f"{count} {name}" for name, count in numbers.most_common())
    sys.stdout.write(f"SQLite {sqlite3.sqlite_version}: {found}; unseen bits: {left}\n")
