"""The event loops that can be measured."""

from importlib.util import find_spec
from typing import Any

BACKENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {}),
    "asyncio+uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}
"""By name what `anyio.run` is told as `backend` and `backend_options`."""


def checked_backend(name: str) -> str:
    """Return it; raises `ValueError` for what is unknown or not installed."""
    if name not in BACKENDS:
        raise ValueError(f"there is no backend {name!r}, only {', '.join(BACKENDS)}")
    if "uvloop" in name and find_spec("uvloop") is None:
        raise ValueError("uvloop is not installed: pip install uvloop")
    return name
