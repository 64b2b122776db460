"""Durations as users give them: a timedelta, or a number of seconds."""

import math
from datetime import datetime, timedelta
from typing import Any, SupportsFloat

from .moments import LAST, MICROSECOND, micros

Due = datetime | timedelta | float


def seconds_of(duration: timedelta | float, name: str = "timeout") -> float:
    """A duration in seconds; raises `ValueError` unless it is positive and finite."""
    seconds = _seconds(duration, name)
    if not 0 < seconds < math.inf:
        problem = f"{name} must be longer than zero and finite, not {duration}; None is none"
        raise ValueError(problem)
    return seconds


def fire_at(now: int, due: Due) -> int:
    """When a timer is due; raises `ValueError` for what never comes."""
    if isinstance(due, datetime):
        return micros(due)
    if isinstance(due, timedelta):
        return now + due // MICROSECOND
    seconds = _seconds(due, "due")
    if not math.isfinite(seconds):
        raise ValueError(f"due must be finite, not {due}: for ever waits an external event")
    try:
        return now + timedelta(seconds=seconds) // MICROSECOND
    except OverflowError:
        return LAST if seconds > 0 else now


def _seconds(given: Any, name: str) -> float:
    if isinstance(given, timedelta):
        return given.total_seconds()
    if not isinstance(given, SupportsFloat):
        raise TypeError(f"{name} is a timedelta or a number of seconds, not {given!r:.60}")
    try:
        return float(given)
    except OverflowError:
        return math.inf
