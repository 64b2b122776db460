"""Posts: what clients in any process send, owner or no owner."""

import threading

import pytest

from ...actors.errors import InstanceAlreadyExistsError
from ...actors.status import Status
from ..records import Query, Start
from .rows import SECOND, OpenStore, Owner, instance, message, turn

NEVER = frozenset[Status]()
DONE = frozenset({Status.COMPLETED})


class TestPosts:
    def test_a_start_writes_its_row_and_its_message(self, open_store: OpenStore) -> None:
        store = open_store()
        row = instance("a", status=Status.PENDING, tags={"k": "v"})
        store.post([message("a")], [Start(row, NEVER)])
        assert store.instance("a") == row
        assert [found.target for found in store.inbox(0)] == ["a"]
        assert store.query(Query(tags=(("k", "v"),)), 9).rows == [row]

    def test_a_start_in_the_way_of_another_writes_nothing(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(instance("b"))
        starts = [Start(instance("a"), NEVER), Start(instance("b", name="new"), DONE)]
        with pytest.raises(InstanceAlreadyExistsError) as caught:
            open_store().post([message("a"), message("b")], starts)
        assert (caught.value.instance_id, caught.value.status) == ("b", Status.RUNNING)
        assert owner.store.instance("a") is None
        assert owner.store.instance("b") == instance("b")
        assert owner.store.inbox(0) == []

    def test_a_replaceable_instance_gives_way_but_its_turns_stay(
        self, open_store: OpenStore
    ) -> None:
        owner = Owner(open_store())
        done = instance("a", status=Status.COMPLETED, output="1", tags={"k": "v"})
        owner.commit(instances={"a": done}, turns=[turn("a", 0)])
        anew = instance("a", execution_id=SECOND)
        open_store().post([message("a")], [Start(anew, DONE)])
        assert owner.store.instance("a") == anew
        assert owner.store.history("a") == [turn("a", 0)]
        assert owner.store.query(Query(tags=(("k", "v"),)), 9).rows == []

    def test_two_starts_of_one_post_collide_too(self, open_store: OpenStore) -> None:
        store = open_store()
        with pytest.raises(InstanceAlreadyExistsError):
            store.post([], [Start(instance("a"), NEVER), Start(instance("a"), NEVER)])
        assert store.instance("a") is None

    def test_the_version_differs_after_a_post(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        before = owner.store.version()
        open_store().post([message("a")])
        between = owner.store.version()
        owner.store.post([message("a")])
        assert len({before, between, owner.store.version()}) == 3

    def test_one_of_many_racing_starts_wins(self, open_store: OpenStore) -> None:
        outcomes: list[bool] = []

        def start() -> None:
            try:
                open_store().post([message("a")], [Start(instance("a"), NEVER)])
                outcomes.append(True)
            except InstanceAlreadyExistsError:
                outcomes.append(False)

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [False] * 7 + [True]
        assert len(open_store().inbox(0)) == 1
