"""A disk that a test can fill to the last byte: a small tmpfs, for root on Linux."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

MEGABYTES = 32
FILLING = "filling"


@contextmanager
def small_disk(folder: Path) -> Generator[Path, None, None]:
    """Give a folder with a disk of its own; where nobody may mount one it is just a folder."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(disk)]
    with suppress(FileNotFoundError):
        subprocess.run(mount, check=False, capture_output=True)
    try:
        yield disk
    finally:
        if is_small(disk):
            subprocess.run(["umount", str(disk)], check=True)  # noqa: S607 - as mount


def is_small(disk: Path) -> bool:
    """Whether it can be filled."""
    return disk.is_mount()


@contextmanager
def filled(disk: Path) -> Generator[None, None, None]:
    """Leave no room on it."""
    with (disk / FILLING).open("wb", buffering=0) as filling:
        for size in (2**18, 2**12):
            # Somebody else is writing too: the end is where it says so.
            with suppress(OSError):
                while filling.write(bytes(size)) == size:
                    pass
    try:
        yield
    finally:
        (disk / FILLING).unlink()
