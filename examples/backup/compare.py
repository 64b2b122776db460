"""Whether a backup is its source, byte by byte: a second look, apart from the first."""

import os
import stat
import zlib
from collections.abc import Collection, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from attrs import Factory, define

from names import original, shown
from tree import target_of
from vault import CHUNK, Vault, read_json


@define
class Comparison:
    """What was found."""

    files: int = 0
    """Equal, byte by byte."""
    bytes: int = 0
    others: int = 0
    """Folders, links and things that are only named."""
    changed: list[str] = Factory(list[str])
    """Written to since they were copied, or new: no damage, and nothing to compare with."""
    different: list[str] = Factory(list[str])
    """Not what the source has, or missing: damage."""
    skipped: int = 0


def compare(source: Path, vault: Vault, excluded: Collection[str]) -> Comparison:
    """Compare the vault's manifest and contents with the source as it is now."""
    manifest = read_json(vault.manifest)
    found = Comparison(skipped=len(manifest["skipped"]))
    listed_at = (vault.work / "plan" / "rest.json").stat().st_mtime_ns
    skipped = {original(problem["path"]) for problem in manifest["skipped"]}
    recorded = {original(entry["path"]) for entry in (*manifest["files"], *manifest["others"])}
    for path in _present(source, vault.folder, {*excluded, *skipped}):
        if path not in recorded:
            known = (source / path).lstat()
            known_later = known.st_ctime_ns > listed_at
            (found.changed if known_later else found.different).append(shown(path))
    for record in manifest["files"]:
        _compare_file(source, vault, record, found)
    for entry in manifest["others"]:
        _compare_other(source, entry, found, listed_at)
    return found


def _present(source: Path, target: Path, left_out: Collection[str]) -> Iterator[str]:
    own = target.resolve()
    for place, folders, files in os.walk(source):
        below = Path(place).relative_to(source)
        folders[:] = [
            name
            for name in folders
            if str(below / name) not in left_out and (source / below / name).resolve() != own
        ]
        paths = (str(below / name) for name in (*folders, *files))
        yield from (path for path in paths if path not in left_out)


def _compare_file(source: Path, vault: Vault, record: dict[str, Any], found: Comparison) -> None:
    full = source / original(record["path"])
    try:
        known = full.lstat()
        if (known.st_size, known.st_mtime_ns) != (record["size"], record["mtime_ns"]):
            found.changed.append(record["path"])
            return
        mode = stat.S_IMODE(known.st_mode)
        with full.open("rb") as file:
            chunks = iter(lambda: file.read(CHUNK), b"")
            pairs = zip_longest(chunks, vault.content(record["digest"]))
            same = all(ours == theirs for ours, theirs in pairs)
    except FileNotFoundError as error:
        gone = error.filename == str(full)
        (found.changed if gone else found.different).append(record["path"])
        return
    except (OSError, EOFError, zlib.error):
        found.different.append(record["path"])
        return
    if not same or mode != record["mode"]:
        found.different.append(record["path"])
        return
    found.files += 1
    found.bytes += known.st_size


def _compare_other(source: Path, entry: dict[str, Any], found: Comparison, listed_at: int) -> None:
    full = source / original(entry["path"])
    try:
        known = full.lstat()
        link = shown(target_of(full)) if stat.S_ISLNK(known.st_mode) else None
    except OSError:
        found.changed.append(entry["path"])
        return
    kinds = {stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFREG: "file"}
    kind = kinds.get(stat.S_IFMT(known.st_mode), "other")
    mode = stat.S_IMODE(known.st_mode)
    if (kind, mode, link) == (entry["kind"], entry["mode"], entry["link"]):
        found.others += 1
    else:
        later = known.st_ctime_ns > listed_at
        (found.changed if later else found.different).append(entry["path"])
