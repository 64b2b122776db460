"""Replies: answers for clients elsewhere, taken once."""

from .rows import OpenStore, Owner


class TestReplies:
    def test_a_reply_is_taken_once(self, open_store: OpenStore) -> None:
        owner, client = Owner(open_store()), open_store()
        assert client.take_replies(["r"]) == {}
        owner.commit(replies={"r": "yes", "s": "no"})
        assert client.take_replies(["r"]) == {"r": "yes"}
        assert client.take_replies(["r"]) == {}
        assert client.take_replies(["s"]) == {"s": "no"}

    def test_many_are_taken_together(self, open_store: OpenStore) -> None:
        owner, client = Owner(open_store()), open_store()
        owner.commit(replies={"r1": "1", "r2": "2", "r3": "3"})
        assert client.take_replies(["r1", "r2", "r9"]) == {"r1": "1", "r2": "2"}
        assert client.take_replies(["r1", "r3"]) == {"r3": "3"}
        assert client.take_replies([]) == {}

    def test_an_empty_reply_is_a_reply(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(replies={"r": ""})
        assert open_store().take_replies(["r"]) == {"r": ""}

    def test_a_repeated_reply_takes_the_place_of_the_first(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(replies={"r": "1"})
        owner.commit(replies={"r": "2"})
        assert open_store().take_replies(["r"]) == {"r": "2"}
