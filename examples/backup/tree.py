"""What there is in a folder: files, folders, symbolic links, and things that nobody can copy."""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath
from typing import Literal

from attrs import frozen

from names import shown

Kind = Literal["file", "folder", "link", "other"]


@frozen
class Entry:
    """One thing in the source, as it was when it was listed."""

    path: str
    """Relative to the source, as `names.shown` writes it."""
    kind: Kind
    """`other` are sockets, pipes and devices, which are named in the manifest and not copied."""
    mode: int
    """Permission bits."""
    link: str | None = None
    """Where a symbolic link points to; it is never followed."""


@frozen
class Unreadable:
    """Something in the source that could not be read."""

    path: str
    reason: str


def scan(source: Path, target: Path, excluded: Collection[str]) -> Iterator[Entry | Unreadable]:
    """Everything below `source` in a fixed order.

    `excluded` are relative paths; the target is left out too, should it lie inside the source.
    """
    own = _identity(target.stat())
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(source / folder) as found:
                names = sorted(entry.name for entry in found)
        except OSError as error:
            yield Unreadable(shown(folder), _reason(error))
            continue
        for name in names:
            path = str(PurePath(folder, name))
            if path in excluded:
                continue
            try:
                known = (source / path).lstat()
                if _identity(known) == own:
                    continue
                entry = _entry(source, path, known)
            except OSError as error:
                yield Unreadable(shown(path), _reason(error))
                continue
            yield entry
            if entry.kind == "folder":
                waiting.append(path)


def _entry(source: Path, path: str, known: os.stat_result) -> Entry:
    mode = stat.S_IMODE(known.st_mode)
    if stat.S_ISREG(known.st_mode):
        return Entry(shown(path), "file", mode)
    if stat.S_ISDIR(known.st_mode):
        return Entry(shown(path), "folder", mode)
    if stat.S_ISLNK(known.st_mode):
        return Entry(shown(path), "link", mode, shown(target_of(source / path)))
    return Entry(shown(path), "other", mode)


def target_of(link: Path) -> str:
    """Where a link points to, to the letter."""
    return os.readlink(link)  # noqa: PTH115 - a Path would tidy `./x` up


def _identity(known: os.stat_result) -> tuple[int, int]:
    return known.st_dev, known.st_ino


def _reason(error: OSError) -> str:
    return f"{type(error).__name__}: {error.strerror}"


def lies_inside(path: Path, folder: Path) -> bool:
    """Whether `path` is `folder` or below it, links resolved."""
    return path.resolve().is_relative_to(folder.resolve())
