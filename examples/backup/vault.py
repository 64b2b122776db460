"""A folder that keeps contents under their SHA-256: each content once, and never half of one.

Everything is written under another name, synced and renamed, so that doing it again after a crash
does no harm and needs no look at what was there before.

    objects/ab/abcd....gz   the contents; `gunzip` reads them
    manifest.json           which file has which content; the last thing that is written
    work/                   the plan, what is done so far, and Perdure's own store
"""

import gzip
import hashlib
import json
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from attrs import frozen

from names import original

CHUNK = 1024 * 1024
LEVEL = 6


class FileChangedError(Exception):
    """The file was written to while it was being read; a later attempt may find it at rest."""


class UnreadableError(Exception):
    """The source could not be read, and trying again at once would not help."""

    non_retriable = True


class AbandonedError(Exception):
    """Nobody waits for this copy any more."""


@frozen
class Record:
    """A file that is in the vault."""

    path: str
    size: int
    mode: int
    mtime_ns: int
    digest: str
    """SHA-256 of the content."""
    stored: int
    """Bytes that the content takes in the vault."""


class Vault:
    """The target of a backup; see the module's docstring."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.work = self.folder / "work"
        self.manifest = self.folder / "manifest.json"
        self.store = self.work / "perdure.db"

    def prepare(self) -> None:
        """Make the folders."""
        for folder in (self.folder / "objects", self.work / "plan", self.work / "done"):
            folder.mkdir(parents=True, exist_ok=True)

    def blob(self, digest: str) -> Path:
        """Where the content with that digest is, or would be."""
        return self.folder / "objects" / digest[:2] / f"{digest}.gz"

    def copy(self, source: Path, path: str, abandoned: Callable[[], bool]) -> Record:
        """Bring a file of the source in.

        Raises `FileChangedError`, `UnreadableError`, `AbandonedError`, and `OSError` for a vault
        that cannot be written.
        """
        with _opened(source / original(path)) as content:
            before = os.fstat(content.fileno())
            draft = self.work / f"draft-{uuid4().hex}"
            try:
                digest, size = _compress(_chunks(content, before.st_size, abandoned), draft)
                after = os.fstat(content.fileno())
                if size != before.st_size or _version(before) != _version(after):
                    raise FileChangedError("changed while it was being read")
                stored = draft.stat().st_size
                self._move(draft, self.blob(digest))
            finally:
                draft.unlink(missing_ok=True)
        mode = stat.S_IMODE(before.st_mode)
        return Record(path, size, mode, before.st_mtime_ns, digest, stored)

    def is_intact(self, digest: str, size: int) -> bool:
        """Whether the content is there and is what its name says."""
        found, length = hashlib.sha256(), 0
        try:
            for chunk in self.content(digest):
                found.update(chunk)
                length += len(chunk)
        except (OSError, EOFError, zlib.error):
            return False
        return found.hexdigest() == digest and length == size

    def content(self, digest: str) -> Iterator[bytes]:
        """The content with that digest; raises `OSError`, `EOFError` or `zlib.error` for damage."""
        with gzip.open(self.blob(digest)) as content:
            while chunk := content.read(CHUNK):
                yield chunk

    def write_json(self, path: Path, value: Any) -> None:
        """Put a document in its place."""
        draft = self.work / f"draft-{uuid4().hex}"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        self._move(draft, path)

    def sweep(self) -> None:
        """Remove what killed processes have left half written; nothing else may be at work."""
        for draft in self.work.glob("draft-*"):
            draft.unlink()

    def note(self, text: str) -> None:
        """Add a line to the journal of copies; lines of several processes do not mix."""
        journal = os.open(self.work / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(journal, f"{os.getpid()} {json.dumps(text)}\n".encode())
        finally:
            os.close(journal)

    def noted(self) -> dict[int, list[str]]:
        """The lines of the journal by process, in order."""
        lines: dict[int, list[str]] = {}
        with suppress(FileNotFoundError):
            for line in (self.work / "journal").read_text("utf-8").splitlines():
                process, _, text = line.partition(" ")
                lines.setdefault(int(process), []).append(json.loads(text))
        return lines

    def _move(self, draft: Path, place: Path) -> None:
        place.parent.mkdir(exist_ok=True)
        draft.replace(place)
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_json(path: Path) -> Any:
    """The reverse of `Vault.write_json`."""
    return json.loads(path.read_text("utf-8"))


def _opened(path: Path) -> IO[bytes]:
    # A link that took the file's place is not followed, and a pipe is not waited for.
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnreadableError(f"{type(error).__name__}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise UnreadableError("is no regular file any more")
    return os.fdopen(number, "rb", buffering=0)


def _chunks(content: IO[bytes], size: int, abandoned: Callable[[], bool]) -> Iterator[bytes]:
    """Read to the end, or past `size`: a log that grows faster than it is read has no end."""
    while not abandoned():
        try:
            chunk = content.read(CHUNK)
        except OSError as error:
            raise UnreadableError(f"{type(error).__name__}: {error.strerror}") from error
        if chunk:
            yield chunk
        size -= len(chunk)
        if not chunk or size < 0:
            return
    raise AbandonedError


def _compress(chunks: Iterator[bytes], draft: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with draft.open("wb") as file:
        # Without name and time in its header, the same content always gives the same bytes.
        with gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed:
            for chunk in chunks:
                digest.update(chunk)
                packed.write(chunk)
                size += len(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def _version(known: os.stat_result) -> tuple[int, int, int]:
    return known.st_size, known.st_mtime_ns, known.st_ctime_ns
