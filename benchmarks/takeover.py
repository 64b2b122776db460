"""takeover: how soon another worker answers for the instances of one that was killed."""

from collections.abc import Callable, Sequence
from statistics import median

import anyio
from attrs import asdict, frozen

from perdure.cli.bench.figures import number
from perdure.persistence.partitions import PARTITIONS

from .bench import at_hub, drop, new_hub
from .killing import Passed, passed

LEASES = (2.0, 10.0)
HEARTBEATS = 5
"""In one lease, as by default."""
INSTANCES = 10_000
ALLOWANCE = 3.0
"""So many seconds after the end of the lease all shall have answered."""

ABOUT = (
    f"A worker with {INSTANCES:,} instances that wait for an event is killed right after a "
    "heartbeat, another one lives; the events are raised from then on. Seconds since the kill, "
    f"heartbeats {HEARTBEATS} to a lease."
)

Tell = Callable[[str], object]


@frozen
class Takeover:
    """What was measured with leases of one length: seconds since the kill."""

    lease: float
    instances: int
    owned: float
    """Until the other worker owned all partitions; the median, as below."""
    owned_lowest: float
    owned_highest: float
    raised: float
    """Until the client had raised all events."""
    answered: float
    """Until all instances had answered."""
    answered_lowest: float
    answered_highest: float

    @property
    def limit(self) -> float:
        """The target."""
        return self.lease + ALLOWANCE

    @property
    def verdict(self) -> str:
        """Whether the target is met."""
        met = self.answered < self.limit
        how = "met" if met else f"**missed** ({self.limit / self.answered:.0%})"
        return f"< {self.limit:g} s: {how}"

    def cells(self) -> list[str]:
        """As a line of a table."""
        return [
            f"{self.lease:g}",
            number(self.instances),
            number(self.owned, 2),
            f"{number(self.owned_lowest, 2)} to {number(self.owned_highest, 2)}",
            number(self.raised, 2),
            number(self.answered, 2),
            f"{number(self.answered_lowest, 2)} to {number(self.answered_highest, 2)}",
            self.verdict,
        ]

    def document(self) -> dict[str, object]:
        """As `--json` shows it."""
        return {**asdict(self), "limit": self.limit, "met": self.answered < self.limit}


HEADINGS = (
    *("lease s", "instances", "all owned after s", "lowest to highest", "all raised after s"),
    *("all answered after s", "lowest to highest", "target"),
)


def takeover(
    store: str,
    tell: Tell,
    *,
    repeat: int = 1,
    leases: Sequence[float] = LEASES,
    instances: int = INSTANCES,
) -> list[Takeover]:
    """Measure with each lease, in turns, on new hubs of that server."""
    found: dict[float, list[Passed]] = {lease: [] for lease in leases}
    for turn in range(1, repeat + 1):
        for lease in leases:
            tell(f"take-over with a lease of {lease:g} s, {turn} of {repeat}")
            found[lease].append(once(store, lease, instances))
    return [_shown(lease, instances, each) for lease, each in found.items()]


def once(store: str, lease: float, instances: int) -> Passed:
    """Measure one death, on a new hub of that server."""
    hub, heartbeat = new_hub(), lease / HEARTBEATS
    # What comes last in a URL is what counts.
    shape = f"&partitions={PARTITIONS}&lease={lease:g}&heartbeat={heartbeat:g}"
    url = at_hub(store, hub) + shape
    try:
        return anyio.run(passed, url, heartbeat, instances)
    finally:
        drop(store, hub)


def _shown(lease: float, instances: int, found: Sequence[Passed]) -> Takeover:
    owned = [each.owned for each in found]
    answered = [each.answered for each in found]
    return Takeover(
        lease,
        instances,
        owned=round(median(owned), 3),
        owned_lowest=round(min(owned), 3),
        owned_highest=round(max(owned), 3),
        raised=round(median(each.raised for each in found), 3),
        answered=round(median(answered), 3),
        answered_lowest=round(min(answered), 3),
        answered_highest=round(max(answered), 3),
    )
