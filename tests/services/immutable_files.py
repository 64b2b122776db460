"""Files that nobody can change any more, not even who has them open: Linux, as root."""

import fcntl
import os
import struct
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path

# FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_IMMUTABLE_FL of linux/fs.h.
GET_FLAGS, SET_FLAGS, IMMUTABLE = 0x80086601, 0x40086602, 0x10


@contextmanager
def immutable(paths: Iterable[Path]) -> Generator[bool, None, None]:
    """Let every write to these fail, with `EPERM`; gives False where that cannot be."""
    with ExitStack() as stack:
        try:
            for path in paths:
                descriptor = os.open(path, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                _flag(descriptor, on=True)
                stack.callback(_flag, descriptor, on=False)
        except OSError:
            stack.close()
            yield False
            return
        yield True


def _flag(descriptor: int, *, on: bool) -> None:
    (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, GET_FLAGS, struct.pack("l", 0)))
    changed = flags | IMMUTABLE if on else flags & ~IMMUTABLE
    fcntl.ioctl(descriptor, SET_FLAGS, struct.pack("l", changed))
