"""The metrics: what is counted as it happens, and what is read off running runtimes."""

from collections.abc import Callable, Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from perdure import __version__
from perdure.runtime.vitals import Vitals

Read = Callable[[Vitals], int]
ReadOfWorker = Callable[[Vitals], float | None]
Combine = Callable[[Iterable[float]], float]

SECONDS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]
"""Where the buckets of durations end: a commit takes less than a millisecond, a report minutes."""

GAUGES: dict[str, tuple[str, str, Read]] = {
    "perdure.actors.resident": ("{actor}", "Actors in memory", lambda v: v.resident),
    "perdure.actors.ready": ("{actor}", "Actors that wait for their turn", lambda v: v.ready),
    "perdure.actors.parked": ("{actor}", "Actors that wait for a mend", lambda v: v.parked),
    "perdure.mailboxes.messages": (
        "{message}",
        "Messages that actors in memory have not taken",
        lambda v: v.messages,
    ),
    "perdure.activities.waiting": (
        "{activity}",
        "Activities that are due and wait for a worker or a place",
        lambda v: v.activities_waiting,
    ),
    "perdure.activities.running": (
        "{activity}",
        "Activities that are being run",
        lambda v: v.activities_running,
    ),
}

WORKER_GAUGES: dict[str, tuple[str, str, ReadOfWorker, Combine]] = {
    "perdure.worker.partitions": (
        "{partition}",
        "Partitions of shared hubs whose actors run here",
        lambda v: v.partitions,
        sum,
    ),
    "perdure.worker.lag": (
        "{message}",
        "Messages of clients and of other workers that waited here at the last heartbeat",
        lambda v: v.lag,
        sum,
    ),
    "perdure.worker.heartbeat.age": (
        "s",
        "How long ago the last heartbeat was that the store has answered",
        lambda v: v.silent,
        max,
    ),
    "perdure.worker.lease.remaining": (
        "s",
        "Until when no other worker takes over; below zero once one may",
        lambda v: v.lease_left,
        min,
    ),
    "perdure.worker.shared": (
        "{activity}",
        "Shared activities that were this worker's at the last heartbeat",
        lambda v: v.shared_running,
        sum,
    ),
    "perdure.shared.waiting": (
        "{activity}",
        "Shared activities of the hub that no worker had taken at the last heartbeat",
        lambda v: v.shared_waiting,
        max,
    ),
    "perdure.shared.waited": (
        "s",
        "For how long the first of these might have begun then",
        lambda v: v.shared_waited,
        max,
    ),
}
"""Of workers that share a hub; nothing is asked of the store for them."""


class Meters:
    """All instruments of one meter provider, made when the first runtime is entered."""

    def __init__(self, provider: MeterProvider | None) -> None:
        self._provider = provider
        self._made = False
        self._watched: list[Vitals] = []
        self.turns = 0
        self.commits = 0

    def watch(self, vitals: Vitals) -> None:
        """Count this runtime in."""
        if not self._made:
            self._made = True
            self._make()
        self._watched.append(vitals)

    def unwatch(self, vitals: Vitals) -> None:
        """It is left."""
        self._watched.remove(vitals)

    def _make(self) -> None:
        provider = self._provider if self._provider is not None else metrics.get_meter_provider()
        meter = provider.get_meter("perdure", __version__)
        meter.create_observable_counter(
            "perdure.turns",
            [lambda _: [Observation(self.turns)]],
            "{turn}",
            "Turns that actors have taken",
        )
        meter.create_observable_counter(
            "perdure.commits", [lambda _: [Observation(self.commits)]], "{commit}", "Commits"
        )
        for name, (unit, description, read) in GAUGES.items():
            meter.create_observable_gauge(name, [self._sum_of(read)], unit, description)
        for name, (unit, description, read_worker, combine) in WORKER_GAUGES.items():
            told = self._combined(read_worker, combine)
            meter.create_observable_gauge(name, [told], unit, description)
        self.commit_duration = meter.create_histogram(
            "perdure.commit.duration",
            "s",
            "How long the store takes for a commit",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self.commit_actors = meter.create_histogram(
            "perdure.commit.actors", "{actor}", "How many actors have turns in one commit"
        )
        self.activity_duration = meter.create_histogram(
            "perdure.activity.duration",
            "s",
            "How long attempts of activities take",
            explicit_bucket_boundaries_advisory=SECONDS,
        )

    def _sum_of(self, read: Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: [Observation(sum(read(vitals) for vitals in list(self._watched)))]

    def _combined(
        self, read: ReadOfWorker, combine: Combine
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            read_off = [read(vitals) for vitals in list(self._watched)]
            known = [value for value in read_off if value is not None]
            return [Observation(combine(known))] if known else []

        return observe
