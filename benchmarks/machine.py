"""Where figures come from: the machine, the disk, and the versions of what they depend on."""

import os
import platform
import sqlite3
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from perdure.cli.bench.figures import percentile

PACKAGES = ("perdure", "anyio", "trio", "uvloop", "attrs", "cattrs", "orjson", "psycopg")
SYNCS = 200


def described(store: str) -> dict[str, str]:
    """What a reader has to know to compare; also how busy the machine is right now."""
    places = {"memory": "memory", "sqlite": f"SQLite {sqlite3.sqlite_version}"}
    durability = {
        "memory": "nothing is durable",
        "sqlite": "WAL, synchronous=FULL: each commit is synced to the disk",
    }
    folder = Path(tempfile.gettempdir()).resolve()
    return {
        "machine": f"{_processor()}, {_cores()} cores, {_memory()}",
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "store": places.get(store, store.partition("://")[0]),
        "durability": durability.get(store, "that of the place"),
        "disk": f"{_file_system(folder)}; {_sync_times(folder)}",
        "versions": ", ".join(f"{name} {version_of(name)}" for name in PACKAGES),
        "load": load_now(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return "memory unknown"
    return f"{size / 1e9:.0f} GB"


def _file_system(folder: Path) -> str:
    try:
        lines = Path("/proc/mounts").read_text("utf-8").splitlines()
    except OSError:
        return f"{folder}"
    mounts = [line.split()[1:3] for line in lines]
    over = [(place, kind) for place, kind in mounts if folder.is_relative_to(place)]
    return f"{folder} on {max(over, key=lambda mount: len(mount[0]))[1]}" if over else f"{folder}"


def _sync_times(folder: Path) -> str:
    times: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            file.write(b"x" * 4_096)
            file.flush()
            begin = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - begin) * 1_000)
    middle, high = percentile(times, 0.5), percentile(times, 0.99)
    return f"fsync of 4 KiB appended: p50 {middle:.2f} ms, p99 {high:.2f} ms"


def version_of(name: str) -> str:
    """The installed version of a distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def load_now() -> str:
    """How busy the machine is, over 1, 5 and 15 minutes."""
    if not hasattr(os, "getloadavg"):
        return "unknown"
    return " ".join(f"{load:.2f}" for load in os.getloadavg())
