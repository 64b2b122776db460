"""Sharing: partitions with one owner each, letters between them, and workers who come and go."""

from collections.abc import Callable
from itertools import count

import pytest

from ...actors.errors import StaleOwnerError
from ...actors.status import Status
from ..records import LONG_AGO, Commit, Letter, Shared
from ..sharing import Membership, SharedStore
from .rows import instance, message

OpenShared = Callable[[], SharedStore]

HORIZON = 1_000


class Worker:
    """A worker with all that it claims."""

    def __init__(self, store: SharedStore, *partitions: int) -> None:
        self.store = store
        self.membership: Membership = store.enter()
        self.membership.beat()
        self.epochs = self.membership.claim(partitions)

    def commit(
        self, letters: list[Letter] | None = None, received: list[Letter] | None = None
    ) -> None:
        """Commit, as the owner of what was claimed."""
        postmarks = [letter.postmark for letter in received or []]
        shared = Shared(dict(self.epochs), letters or [], postmarks)
        self.store.commit(Commit(0, shared=shared))

    def letter(self, number: int, target: str) -> Letter:
        """A letter of this worker's."""
        partition = self.store.partition_of(target)
        return Letter(partition, number, self.membership.id, target, f"to {target}")


class TestSharing:
    def test_a_partition_has_one_owner(self, open_shared: OpenShared) -> None:
        first, second = Worker(open_shared(), 0, 1), Worker(open_shared(), 1, 2)
        assert first.epochs.keys() == {0, 1}
        assert second.epochs.keys() == {2}

    def test_epochs_grow_with_each_owner(self, open_shared: OpenShared) -> None:
        first, second = Worker(open_shared(), 3), Worker(open_shared())
        first.membership.release([3])
        assert second.membership.claim([3])[3] > first.epochs[3]

    def test_who_claims_twice_gets_nothing_more(self, open_shared: OpenShared) -> None:
        worker = Worker(open_shared(), 0)
        assert worker.membership.claim([0]) == {}
        worker.commit()

    def test_a_roster_shows_who_is_there(self, open_shared: OpenShared) -> None:
        first, second = Worker(open_shared(), 0, 1), Worker(open_shared(), 2)
        roster = first.membership.beat()
        assert roster.alive == sorted([first.membership.id, second.membership.id])
        assert roster.owned == first.epochs
        assert roster.free == list(range(3, first.store.partitions))
        assert roster.released == roster.free
        assert not roster.lapsed

    def test_a_roster_tells_who_has_which_code(self, open_shared: OpenShared) -> None:
        first = Worker(open_shared(), 0)
        second = open_shared().enter(repertoire="some code")
        second.beat()
        for _ in range(2):
            roster = first.membership.beat()
            assert roster.repertoires == {first.membership.id: "", second.id: "some code"}
            assert roster.names.keys() == set(roster.alive)
            assert roster.owners == {0: first.membership.id}

    def test_who_releases_says_what_is_needed(self, open_shared: OpenShared) -> None:
        first, second = Worker(open_shared(), 0, 1), Worker(open_shared(), 2)
        first.membership.release([0, 1], {1: "this code", 2: "not its own"})
        assert second.membership.beat().needs == {1: "this code"}
        second.membership.claim([1])
        second.membership.release([1])
        assert second.membership.beat().needs == {1: "this code"}

    def test_leaving_frees_everything(self, open_shared: OpenShared) -> None:
        first, second = Worker(open_shared(), 0, 1), Worker(open_shared())
        first.membership.leave()
        roster = second.membership.beat()
        assert roster.alive == [second.membership.id]
        assert {0, 1} <= set(roster.released)
        Worker(open_shared(), 0)
        with pytest.raises(StaleOwnerError):
            first.commit()

    def test_one_lost_partition_refuses_all(self, open_shared: OpenShared) -> None:
        first, second = Worker(open_shared(), 0, 1), Worker(open_shared())
        first.membership.release([1])
        second.membership.claim([1])
        with pytest.raises(StaleOwnerError, match=r"\[1\]"):
            first.commit([first.letter(8, "a")])
        assert first.store.arrived(range(first.store.partitions), 0).letters == []
        del first.epochs[1]
        first.commit([first.letter(8, "a")])

    def test_a_stray_commit_is_refused_after_reclaiming(self, open_shared: OpenShared) -> None:
        worker = Worker(open_shared(), 0, 1)
        newer = worker.membership.reclaim()
        assert newer.keys() == {0, 1}
        with pytest.raises(StaleOwnerError):
            worker.commit()
        worker.epochs = newer
        worker.commit()

    def test_letters_wait_for_their_partition(self, open_shared: OpenShared) -> None:
        sender, receiver = Worker(open_shared(), 0), Worker(open_shared(), 1)
        letters = [sender.letter(number, f"actor{number}") for number in (3, 1, 2)]
        sender.commit(letters)
        everything = receiver.store.arrived(range(receiver.store.partitions), 0).letters
        assert [letter.number for letter in everything] == [1, 2, 3]
        for letter in letters:
            assert letter in receiver.store.arrived([letter.partition], 0).letters
        receiver.commit(received=letters[:2])
        left = sender.store.arrived(range(sender.store.partitions), 0).letters
        assert left == letters[2:]

    def test_a_heartbeat_tells_what_waits_for_this_worker(self, open_shared: OpenShared) -> None:
        sender, receiver = Worker(open_shared(), 0), Worker(open_shared(), *range(1, 4))
        target, elsewhere = (
            next(f"a{n}" for n in count() if sender.store.partition_of(f"a{n}") == partition)
            for partition in (1, 4)
        )
        sender.commit([sender.letter(1, target), sender.letter(2, elsewhere)])
        sender.store.post([message(target, 0)])
        assert receiver.membership.beat().lag == 2
        assert sender.membership.beat().lag == 0

    def test_a_letter_is_backlog_of_its_target(self, open_shared: OpenShared) -> None:
        sender = Worker(open_shared(), 0)
        ended = instance("a", status=Status.COMPLETED, completed=5)
        sender.store.commit(Commit(0, instances={"a": ended}, shared=Shared(sender.epochs)))
        assert sender.store.ended(Status.COMPLETED, LONG_AGO, 9) == [(5, "a")]
        sender.commit([sender.letter(1, "a")])
        assert sender.store.backlog("a") == 1
        assert sender.store.ended(Status.COMPLETED, LONG_AGO, 9) == []

    def test_a_part_is_recovered_by_itself(self, open_shared: OpenShared) -> None:
        store = open_shared()
        worker = Worker(store, *range(store.partitions))
        targets = [f"actor{number}" for number in range(8)]
        sent = [message(target, number) for number, target in enumerate(targets, 1)]
        store.commit(Commit(0, sent=sent, shared=Shared(worker.epochs)))
        for target in targets:
            found = store.recover(HORIZON, [store.partition_of(target)]).messages
            assert target in {row.target for row in found}
        assert len(store.recover(HORIZON).messages) == 8
        assert store.recover(HORIZON, []).messages == []

    def test_clients_messages_arrive_beside_letters(self, open_shared: OpenShared) -> None:
        store = open_shared()
        store.post([message("a"), message("b")])
        partitions = {store.partition_of("a"), store.partition_of("b")}
        rows = store.arrived(partitions, 0).inbox
        assert [row.target for row in rows] == ["a", "b"]
        assert store.arrived(partitions, rows[0].position).inbox == rows[1:]

    def test_workers_are_told_with_their_partitions(self, open_shared: OpenShared) -> None:
        first, second = Worker(open_shared(), 0, 1), Worker(open_shared())
        rows = {row.id: row for row in second.store.workers()}
        assert rows.keys() == {first.membership.id, second.membership.id}
        assert rows[first.membership.id].partitions == [0, 1]
        assert rows[second.membership.id].partitions == []
