"""The inbox: what clients posted, at negative positions that are never given twice."""

from ..store import Store
from .rows import OpenStore, Owner, message


def targets(store: Store, below: int = 0) -> list[str]:
    return [row.target for row in store.inbox(below)]


class TestInbox:
    def test_positions_fall_with_each_message(self, open_store: OpenStore) -> None:
        store = open_store()
        store.post([message("a"), message("b")])
        open_store().post([message("c")])
        positions = [row.position for row in store.inbox(0)]
        assert positions == sorted(positions, reverse=True)
        assert len({*positions, 0}) == 4
        assert max(positions) < 0
        assert targets(store) == ["a", "b", "c"]

    def test_only_what_is_below_is_read(self, open_store: OpenStore) -> None:
        store = open_store()
        store.post([message("a"), message("b", due=99), message("c")])
        first = store.inbox(0)[0]
        assert targets(store, first.position) == ["b", "c"]
        assert targets(store, store.inbox(0)[-1].position) == []

    def test_what_was_posted_to_one_is_found(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(sent=[message("a", 1)])
        owner.store.post([message("a"), message("b"), message("a", due=5)])
        rows = owner.store.posted(["a"])
        assert [row.due for row in rows] == [None, 5]
        assert rows[0].position > rows[1].position
        assert owner.store.posted(["unknown"]) == []
        both = owner.store.posted(["b", "unknown", "a"])
        assert [(row.target, row.due) for row in both] == [("a", None), ("b", None), ("a", 5)]
        assert owner.store.posted([]) == []

    def test_a_consumed_position_is_never_used_again(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.store.post([message("a"), message("b")])
        used = [row.position for row in owner.store.inbox(0)]
        owner.commit(consumed=used)
        assert owner.store.inbox(0) == []
        open_store().post([message("c")])
        assert owner.store.inbox(0)[0].position < min(used)

    def test_a_position_in_what_is_posted_is_ignored(self, open_store: OpenStore) -> None:
        store = open_store()
        store.post([message("a", 5), message("b", 5)])
        assert targets(store) == ["a", "b"]

    def test_posted_messages_come_due(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(sent=[message("mail", 1, due=5)])
        owner.store.post([message("a", due=5), message("b"), message("c", due=6)])
        assert [row.target for row in owner.store.due(5, 6).messages] == ["mail", "a"]
