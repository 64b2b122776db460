"""Recovery: a new owner finds everything there is to do."""

from ..records import TimerRow
from .rows import FIRST, OpenStore, Owner, entity, instance, message


class TestRecovery:
    def test_a_new_hub_has_nothing_to_do(self, open_store: OpenStore) -> None:
        found = open_store().recover(100)
        assert (found.position, found.messages, found.timers) == (0, [], [])
        assert (found.open, found.parked) == ([], [])

    def test_what_is_due_later_is_left_out(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(
            sent=[message("a", 1, due=9), message("a", 2, due=10), message("a", 3)],
            timers_set=[TimerRow("a", 1, FIRST, 10), TimerRow("a", 2, FIRST, 9)],
        )
        found = owner.store.recover(10)
        assert found.messages == [message("a", 1, due=9), message("a", 3)]
        assert found.timers == [TimerRow("a", 2, FIRST, 9)]
        assert found.position == 3

    def test_the_mailbox_comes_before_the_inbox(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.store.post([message("c"), message("d"), message("later", due=99)])
        owner.commit(sent=[message("a", 1), message("b", 2)])
        assert [row.target for row in owner.store.recover(10).messages] == ["a", "b", "c", "d"]

    def test_open_and_parked_actors_are_found(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(
            instances={
                "a": instance("a", open=True),
                "b": instance("b", parked="{}"),
                "c": instance("c", open=True, parked="{}"),
                "d": instance("d"),
            },
            entities={"@e@k": entity("@e@k", parked="{}"), "@e@l": entity("@e@l")},
        )
        found = owner.store.recover(0)
        assert sorted(found.open) == ["a", "c"]
        assert sorted(found.parked) == ["@e@k", "b", "c"]

    def test_finished_and_mended_actors_are_not_found(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(
            instances={"a": instance("a", open=True, parked="{}")},
            entities={"@e@k": entity("@e@k", parked="{}")},
        )
        owner.commit(instances={"a": instance("a")}, entities={"@e@k": entity("@e@k")})
        found = owner.store.recover(0)
        assert (found.open, found.parked) == ([], [])
