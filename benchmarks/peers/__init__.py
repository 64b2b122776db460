"""What users would pick instead, doing the same things on the same machine in the same run.

`pip install .[bench]` installs them; each is measured only where it is there.
"""

from importlib.util import find_spec

from attrs import frozen

from ..bench import Sizes, Workload
from . import anyio_actors, dbos_workflows, durabletask_hub, pykka_actors

_ONE_AFTER_ANOTHER = Sizes(1, 1, 500)


@frozen
class Comparison:
    """A peer's workload, and which of ours does the same."""

    ours: str
    store: str
    sizes: Sizes
    peers: Workload


@frozen
class Peer:
    """Somebody else's way to do it."""

    name: str
    module: str
    """What has to be importable."""
    about: str
    workloads: tuple[Comparison, ...]

    def key(self, comparison: Comparison) -> str:
        """The name under which it is measured."""
        return f"{self.name}:{comparison.ours}"


def absence(peer: Peer) -> str:
    """Why it cannot be measured; empty when it can."""
    if find_spec(peer.module) is None:
        return f"{peer.name} is not installed: pip install '.[bench]'"
    return ""


def _actors(run_calls: Workload, run_signals: Workload) -> tuple[Comparison, ...]:
    sizes = Sizes(20_000, 50, 1)
    return (
        Comparison("calls", "memory", sizes, run_calls),
        Comparison("signals", "memory", sizes, run_signals),
    )


PEERS = (
    Peer(
        "dbos",
        "dbos",
        "DBOS on SQLite, with its own defaults",
        (
            Comparison("hello", "sqlite", Sizes(100, 100, 3), dbos_workflows.HELLO),
            Comparison("fanout", "sqlite", Sizes(1, 1, 200), dbos_workflows.FANOUT),
            Comparison("sequence", "sqlite", _ONE_AFTER_ANOTHER, dbos_workflows.HELLO),
        ),
    ),
    Peer(
        "durabletask",
        "durabletask",
        "the Durable Task SDK over its backend in memory: nothing is durable",
        (
            Comparison("hello", "memory", Sizes(200, 100, 3), durabletask_hub.HELLO),
            Comparison("fanout", "memory", Sizes(1, 1, 500), durabletask_hub.FANOUT),
            Comparison("sequence", "memory", Sizes(1, 1, 100), durabletask_hub.HELLO),
        ),
    ),
    Peer(
        "pykka",
        "pykka",
        "actors in threads: nothing is durable",
        _actors(pykka_actors.CALLS, pykka_actors.SIGNALS),
    ),
    Peer(
        "anyio actors",
        "anyio",
        "a task and a memory stream, written by hand: nothing is durable",
        _actors(anyio_actors.CALLS, anyio_actors.SIGNALS),
    ),
)
PEER_WORKLOADS = {
    peer.key(comparison): comparison.peers for peer in PEERS for comparison in peer.workloads
}


def named(name: str) -> Peer:
    """The peer of that name."""
    return next(peer for peer in PEERS if peer.name == name)
