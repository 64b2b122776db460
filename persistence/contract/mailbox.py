"""The mailbox: the owner's own messages, at positions that the owner gives."""

from attrs import evolve

from .rows import SECOND, OpenStore, Owner, message


class TestMailbox:
    def test_messages_come_back_oldest_first(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        third = evolve(message("a", 3), execution_id=SECOND)
        owner.commit(sent=[third, message("a", 1)])
        owner.commit(sent=[message("b", 2)])
        rows = owner.store.recover(0).messages
        assert rows == [message("a", 1), message("b", 2), third]

    def test_consumed_messages_are_gone(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(sent=[message("a", 1), message("a", 2)])
        owner.commit(consumed=[1, 77])
        assert owner.store.recover(0).messages == [message("a", 2)]

    def test_the_highest_position_outlives_its_message(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(sent=[message("a", 7)])
        owner.commit(consumed=[7], sent=[message("a", 5)])
        owner.commit(consumed=[5])
        assert open_store().recover(0).position == 7

    def test_messages_of_a_stretch_of_time_are_found(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(sent=[message("a", n, due=n) for n in (1, 2, 3)] + [message("a", 9)])
        assert owner.store.due(2, 3).messages == [message("a", 2, due=2)]

    def test_the_backlog_counts_mailbox_and_inbox(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(sent=[message("a", 1), message("b", 2), message("a", 3, due=99)])
        open_store().post([message("a")])
        assert owner.store.backlog("a") == 3
        assert owner.store.backlog("unknown") == 0
