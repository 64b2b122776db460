"""Errands: activities that any worker may take, each one worker's at a time, answered once."""

import time
from collections.abc import Callable
from contextlib import closing

from attrs import evolve

from ...actors.status import Status
from ..records import Answer, Commit, Errand, Letter, Shared, Waiting
from ..sharing import Membership, SharedStore
from .rows import instance

OpenShared = Callable[[], SharedStore]

NOW = 1_000


def errand(store: SharedStore, number: int, name: str = "work", due: int = 0) -> Errand:
    """What an instance asks for, which is named by the number."""
    instance_id = f"i{number}"
    partition = store.partition_of(instance_id)
    return Errand(partition, number, instance_id, "e", 1, 1, name, due, f"do {number}")


class Worker:
    """A worker with some partitions, or none."""

    def __init__(self, store: SharedStore, *partitions: int, lease: float = 60) -> None:
        self.store = store
        self.membership: Membership = store.enter(lease, lease / 2)
        self.membership.beat()
        self.epochs = self.membership.claim(partitions)

    def ask(self, *errands: Errand) -> None:
        """Ask for these."""
        self.store.commit(Commit(0, shared=Shared(self.epochs, errands=list(errands))))

    def withdraw(self, *errands: Errand) -> None:
        """Want these no more."""
        withdrawn = [errand.key for errand in errands]
        self.store.commit(Commit(0, shared=Shared(self.epochs, withdrawn=withdrawn)))

    def answer(self, *errands: Errand) -> None:
        """Say what became of these."""
        answers = [
            Answer(one.key, Letter(one.partition, one.number, self.membership.id, "a", "done"))
            for one in errands
        ]
        self.store.commit(Commit(0, shared=Shared(self.epochs, answers=answers)))

    def take(self, most: int = 9, name: str = "work", *, left_behind: bool = False) -> list[int]:
        """The numbers of what it takes."""
        found = self.membership.take({name: most}, NOW, left_behind=left_behind)
        return sorted(errand.number for errand in found)


def letters(store: SharedStore) -> list[int]:
    """The numbers of all letters."""
    return [letter.number for letter in store.arrived(range(store.partitions), 0).letters]


class TestErrands:
    def test_an_errand_is_taken_by_one(self, open_shared: OpenShared) -> None:
        first, second = Worker(open_shared(), 0), Worker(open_shared())
        asked = [errand(first.store, number) for number in range(4)]
        first.ask(*asked)
        assert first.membership.waiting(["work", "other"], NOW) == Waiting({"work": 4})
        assert len(first.take(3)) == 3
        assert len(second.take()) == 1
        assert second.take() == []
        assert second.membership.waiting(["work"], NOW) == Waiting({})

    def test_what_is_taken_is_what_was_asked(self, open_shared: OpenShared) -> None:
        worker = Worker(open_shared(), 0)
        asked = evolve(errand(worker.store, 5, "back\\slash\0"), execution_id="x", attempt=3)
        worker.ask(asked)
        assert worker.membership.waiting([asked.name], NOW).counts == {asked.name: 1}
        assert worker.membership.take({asked.name: 1}, NOW) == [asked]
        known = evolve(asked, body="")
        assert worker.membership.taken([]) == [asked]
        assert worker.membership.taken([asked.key]) == [known]
        assert worker.store.errands([asked.partition]) == [known]
        assert worker.store.errands([]) == []

    def test_the_oldest_are_taken_first(self, open_shared: OpenShared) -> None:
        worker = Worker(open_shared(), 0)
        dues = {1: 30, 2: 10, 3: 20}
        worker.ask(*(errand(worker.store, number, due=due) for number, due in dues.items()))
        worker.ask(evolve(errand(worker.store, 4, due=NOW + 1), attempt=2))
        worker.ask(errand(worker.store, 5, "older", due=5))
        waiting = worker.membership.waiting(["work", "older"], NOW)
        assert list(waiting.counts) == ["older", "work"]
        assert waiting.next_due == NOW + 1
        assert worker.membership.waiting(["older"], NOW).next_due is None
        assert [worker.take(1) for _ in range(4)] == [[2], [3], [1], []]

    def test_a_first_attempt_waits_for_no_clock(self, open_shared: OpenShared) -> None:
        owner, behind = Worker(open_shared(), 0), Worker(open_shared())
        ahead = int(time.time() * 1_000_000) + 3_600_000_000
        owner.ask(errand(owner.store, 1, due=ahead))
        assert behind.membership.beat().waiting
        (queue,) = owner.store.queues()
        assert queue.silent == 0
        assert behind.membership.waiting(["work"], NOW).counts == {"work": 1}
        assert behind.take() == [1]

    def test_an_answer_takes_the_place_of_its_errand(self, open_shared: OpenShared) -> None:
        owner, taker = Worker(open_shared(), 0), Worker(open_shared())
        asked = [errand(owner.store, number) for number in range(1, 4)]
        owner.ask(*asked)
        taker.take()
        before = owner.store.version()
        taker.answer(*asked[:2])
        assert owner.store.version() > before
        assert letters(owner.store) == [1, 2]
        assert taker.membership.taken([]) == asked[2:]
        taker.answer(*asked)
        assert letters(owner.store) == [1, 2, 3]

    def test_what_was_not_taken_is_not_answered(self, open_shared: OpenShared) -> None:
        owner, taker = Worker(open_shared(), 0), Worker(open_shared())
        asked = [errand(owner.store, number) for number in range(1, 3)]
        owner.ask(*asked)
        taker.answer(asked[0])
        taker.take()
        owner.withdraw(asked[1])
        taker.answer(asked[1])
        assert letters(owner.store) == []
        assert taker.membership.taken([]) == asked[:1]

    def test_what_the_dead_had_is_taken_anew(self, open_shared: OpenShared) -> None:
        with closing(open_shared()) as away:
            owner, dead = Worker(open_shared(), 0), Worker(away, lease=0.02)
            asked = errand(owner.store, 1)
            owner.ask(asked)
            assert dead.take() == [1]
            while not (roster := owner.membership.beat()).left_behind:
                pass
            assert not roster.waiting
            (queue,) = owner.store.queues()
            assert (queue.waiting, queue.taken) == (1, 0)
            assert owner.take() == []
            assert owner.take(left_behind=True) == [1]
            dead.answer(asked)
            assert letters(owner.store) == []

    def test_the_living_keep_what_they_have(self, open_shared: OpenShared) -> None:
        owner, taker = Worker(open_shared(), 0), Worker(open_shared())
        owner.ask(errand(owner.store, 1))
        taker.take()
        assert not owner.membership.beat().left_behind
        assert owner.take(left_behind=True) == []

    def test_leaving_gives_everything_back(self, open_shared: OpenShared) -> None:
        owner, taker = Worker(open_shared(), 0), Worker(open_shared())
        owner.ask(errand(owner.store, 1))
        taker.take()
        taker.membership.leave()
        assert owner.membership.beat().waiting
        assert owner.take() == [1]

    def test_purging_takes_errands_along(self, open_shared: OpenShared) -> None:
        owner = Worker(open_shared(), *range(4))
        asked = [errand(owner.store, number) for number in range(1, 4)]
        owner.ask(*asked)
        owner.take(1)
        rows = {f"i{n}": instance(f"i{n}", status=Status.COMPLETED, completed=9) for n in (1, 2)}
        owner.store.commit(Commit(0, instances=dict(rows), shared=Shared(owner.epochs)))
        assert owner.store.purge(list(rows)).gone == list(rows)
        assert owner.membership.beat().errands == 0
        assert owner.take() == [3]

    def test_a_heartbeat_tells_of_errands(self, open_shared: OpenShared) -> None:
        owner, taker = Worker(open_shared(), 0), Worker(open_shared())
        assert not taker.membership.beat().waiting
        owner.ask(errand(owner.store, 1), errand(owner.store, 2))
        roster = taker.membership.beat()
        assert roster.waiting == 2
        assert roster.waited > 3_600_000_000
        taker.take()
        roster = taker.membership.beat()
        assert (roster.errands, roster.waiting, roster.waited) == (2, 0, 0)
        assert owner.membership.beat().errands == 0

    def test_queues_are_told_by_activity(self, open_shared: OpenShared) -> None:
        owner = Worker(open_shared(), 0)
        owner.ask(*(errand(owner.store, number) for number in range(3)))
        owner.ask(errand(owner.store, 3, "other"))
        owner.take(2)
        owner.take(1, "other")
        found = {queue.name: queue for queue in owner.store.queues()}
        assert {name: (q.waiting, q.taken) for name, q in found.items()} == {
            "work": (1, 2),
            "other": (0, 1),
        }
        assert found["work"].silent > 0
        assert found["other"].silent < 0
