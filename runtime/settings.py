"""What can be set about a runtime, with its limits."""

import os
from typing import Literal

from attrs import field, frozen
from attrs.validators import ge, gt, in_


@frozen(kw_only=True)
class Settings:
    """Keyword arguments of `Runtime`. Durations are seconds."""

    durability: Literal["full", "relaxed"] = field(
        default="full", validator=in_(("full", "relaxed"))
    )
    """`full` syncs the disk at every commit; `relaxed` may lose the last commits when the power
    fails, though not when the process dies."""
    drain_timeout: float = field(default=10.0, validator=ge(0))
    """How long leaving the runtime waits for running activities and entity operations."""
    activities_max: int = field(default=1_000, validator=ge(1))
    """How many activities run at once."""
    activity_threads_max: int = field(default=40, validator=ge(1))
    """How many sync activities run at once."""
    activity_processes_max: int = field(factory=lambda: os.cpu_count() or 1, validator=ge(1))
    """How many activities with `executor="process"` run at once."""
    resident_max: int = field(default=20_000, validator=ge(1))
    """How many idle actors stay in memory; others are brought back by replay."""
    entity_batch_max: int = field(default=5_000, validator=ge(1))
    """How many operations one turn of an entity may run."""
    turns_between_breaths: int = field(default=256, validator=ge(1))
    """How many turns are taken before other tasks of the event loop may run."""
    poll_interval: float = field(default=0.05, validator=gt(0))
    """How often the store is asked for what clients in other processes have sent."""
    timer_horizon: float = field(default=60.0, validator=gt(0))
    """Timers due later than this are left on disk for the time being."""
    history_warning: int = field(default=50_000, validator=ge(1))
    """Turns of one execution after which a warning suggests continue-as-new."""
