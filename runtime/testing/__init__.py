"""The test kit: an App in memory under virtual time, activity stubs, and offline replay."""

from .clock import VirtualClock as VirtualClock
from .environment import Environment as Environment
from .replaying import Replayed as Replayed
from .replaying import replay as replay

__all__ = ["Environment", "Replayed", "VirtualClock", "replay"]
