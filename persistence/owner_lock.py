"""The lock that makes one runtime the owner of a file; the system frees it when a process dies."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from ..actors.errors import StoreError, StoreInUseError

if sys.platform == "win32":
    import msvcrt

    # Windows hinders others from reading what is locked; the holder's name lies in front of this.
    _LOCKED_BYTE = 1 << 30

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        # flock and not lockf: it also keeps out a second owner of the same process.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_ATTEMPTS, _PAUSE_SECONDS = 5, 0.01
"""`holder` takes a free lock for a moment, which must not refuse the store to an owner."""


class OwnerLock:
    """Exclusive and advisory, on a file beside the store that stays there when it is free.

    Deleting the file would let two owners lock two files of one name.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._path = store.with_name(store.name + "-owner")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or raise `StoreInUseError` at once."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(
                f"cannot open the lock file {self._path}: {error.strerror}; "
                "make the folder writable for this process"
            ) from error
        try:
            _insist(descriptor)
        except OSError as error:
            holder = _name_in(descriptor)
            os.close(descriptor)
            raise StoreInUseError(
                f"{self._store} is owned by the process with pid {holder}; "
                "stop that runtime, or use a Client here, which needs no ownership"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another take it; does nothing when it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def holder(self) -> str | None:
        """The pid of the process that holds it, or None when it is free; creates nothing."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(
                f"cannot open the lock file {self._path}: {error.strerror}; "
                "make it readable for this process"
            ) from error
        try:
            _insist(descriptor)
        except OSError:
            return _name_in(descriptor)
        finally:
            os.close(descriptor)
        return None


def _insist(descriptor: int) -> None:
    for _ in range(_ATTEMPTS - 1):
        with suppress(OSError):
            _try_lock(descriptor)
            return
        time.sleep(_PAUSE_SECONDS)
    _try_lock(descriptor)


def _name_in(descriptor: int) -> str:
    return os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
