# pyright: reportPrivateUsage=false
"""Engines that are broken on purpose, each in one place: what the checker must not overlook."""

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import evolve

from perdure.actors.entity import Entity
from perdure.actors.history import EntityOperationSignaled, TaskCompleted
from perdure.actors.orchestration import Orchestration
from perdure.persistence.memory import MemoryStore
from perdure.runtime.activities import Activities
from perdure.runtime.engine.later import Later
from perdure.runtime.engine.pipeline import Pipeline
from perdure.runtime.engine.postman import Postman
from perdure.runtime.engine.recovery import Recovery
from perdure.runtime.lanes import run_in
from perdure.testing import Faults

Patch = Callable[[Any, str, Any], None]
Mutate = Callable[[Patch], None]
"""Replaces an attribute of a class, until the test is over."""

HALF_A_SECOND = 500_000


def acknowledge_before_the_commit(patch: Patch) -> None:
    """Clients are answered and activities begin when a commit is handed over."""
    flush = Pipeline.flush

    def hasty(self: Pipeline) -> None:
        for act in self.batch.when_durable:
            act()
        self.batch.when_durable.clear()
        flush(self)

    patch(Pipeline, "flush", hasty)


def lose_the_release_of_a_lock(patch: Patch) -> None:
    """An entity that is given back stays locked."""

    def deaf(_self: Entity, _event: object, _effects: object) -> None:
        return

    patch(Entity, "_unlock", deaf)


def reorder_signals(patch: Patch) -> None:
    """Of the messages that an entity finds, the last goes first."""
    step = Entity.step

    def backwards(self: Entity, now: int) -> Any:
        if all(isinstance(message.event, EntityOperationSignaled) for message in self.inbox):
            self.inbox.reverse()
        return step(self, now)

    patch(Entity, "step", backwards)


def deliver_every_fifth_message_twice(patch: Patch) -> None:
    """A mailbox gives some messages out twice."""
    deliver, count = Postman.deliver, [0]

    def doubled(self: Postman, message: Any) -> None:
        deliver(self, message)
        count[0] += isinstance(message.event, EntityOperationSignaled)
        if count[0] == 5:
            count[0] = 0
            deliver(self, evolve(message))

    patch(Postman, "deliver", doubled)


def deliver_twice_when_a_look_crosses_a_recovery(patch: Patch) -> None:
    """What clients have put into the store is found by a recovery and by a look beside it."""

    async def fetch(self: Recovery) -> bool:
        life = self._partition.life
        rows = await run_in(self._lane, partial(self._store.inbox, self._seen))
        if life == self._partition.life:
            for row in rows:
                self._accept(row)
        return True

    patch(Recovery, "_fetch_inbox", fetch)


def drop_events_on_continue_as_new(patch: Patch) -> None:
    """The next execution begins without the events that nobody had taken."""
    go_on = Orchestration._continue

    def forgetful(self: Orchestration, outcome: Any, effects: Any) -> None:
        go_on(self, evolve(outcome, carryover=[]), effects)

    patch(Orchestration, "_continue", forgetful)


def fire_timers_early(patch: Patch) -> None:
    """Timers fire half a second before their time."""
    at = Later._at

    def hasty(self: Later, target: str, due: int, act: Any) -> None:
        at(self, target, due - HALF_A_SECOND, act)

    patch(Later, "_at", hasty)


def accept_the_commit_of_a_former_owner(patch: Patch) -> None:
    """The store does not look at the epoch."""
    commit = MemoryStore.commit

    def trusting(self: MemoryStore, given: Any) -> None:
        commit(self, evolve(given, epoch=self._epoch))

    patch(MemoryStore, "commit", trusting)


def forget_timers_in_recovery(patch: Patch) -> None:
    """After a crash nobody looks for the timers that were set."""
    recover = MemoryStore.recover

    def half(self: MemoryStore, horizon: int) -> Any:
        return evolve(recover(self, horizon), timers=[])

    patch(MemoryStore, "recover", half)


def forget_activities_in_recovery(patch: Patch) -> None:
    """After a crash nobody begins the unfinished activities again."""
    recover = MemoryStore.recover

    def half(self: MemoryStore, horizon: int) -> Any:
        return evolve(recover(self, horizon), open=[])

    patch(MemoryStore, "recover", half)


def tear_commits(patch: Patch) -> None:
    """A commit takes messages out of the mailbox, and forgets the snapshots of entities."""
    commit, count = MemoryStore.commit, [0]

    def torn(self: MemoryStore, given: Any) -> None:
        count[0] += 1
        commit(self, evolve(given, entities={}) if count[0] % 7 == 0 else given)

    patch(MemoryStore, "commit", torn)


def swap_results_of_activities(patch: Patch) -> None:
    """The result of an activity is recorded as another one."""
    send = Activities._send

    def wrong(self: Activities, job: Any, event: Any) -> None:
        if isinstance(event, TaskCompleted) and event.task_id == 2:
            event = evolve(event, result='"somebody else\'s"')
        send(self, job, event)

    patch(Activities, "_send", wrong)


USUAL = Faults()
TAKEOVERS = Faults(takeover=0.15)
FAILURES = Faults(commit_lost=0.2, commit_unheard=0.2)

MUTANTS: list[tuple[Mutate, Faults, int]] = [
    (acknowledge_before_the_commit, USUAL, 10),
    (lose_the_release_of_a_lock, USUAL, 20),
    (reorder_signals, USUAL, 10),
    (deliver_every_fifth_message_twice, USUAL, 10),
    (deliver_twice_when_a_look_crosses_a_recovery, FAILURES, 200),
    (drop_events_on_continue_as_new, USUAL, 20),
    (fire_timers_early, USUAL, 20),
    (accept_the_commit_of_a_former_owner, TAKEOVERS, 200),
    (forget_timers_in_recovery, USUAL, 50),
    (forget_activities_in_recovery, USUAL, 50),
    (tear_commits, USUAL, 20),
    (swap_results_of_activities, USUAL, 20),
]
"""Each with the faults that bring it out, and the number of seeds within which it is found."""
