"""Instances: written whole, and found by every field of a query."""

import pytest

from ...actors.status import Status
from ..records import InstanceRow, Query
from ..store import Store
from .rows import OpenStore, Owner, instance

ALL = [
    instance("a1", created=1, status=Status.COMPLETED, completed=5, tags={"team": "x", "n": "1"}),
    instance("a2", created=2, name="other", parent_id="a1", tags={"team": "x"}),
    instance("b%", created=3, status=Status.FAILED, completed=8, tags={"team": "y"}),
    instance("bb", created=3, version="2"),
    instance("c\U0010ffffd", created=4),
]


def found(store: Store, query: Query) -> list[str]:
    return [row.id for row in store.query(query, 100).rows]


class TestInstances:
    def test_every_field_comes_back(self, open_store: OpenStore) -> None:
        row = InstanceRow(
            "a", "e", "n", "1.2", Status.SUSPENDED, 1, 2, 3, 4, "p", {"k": "v", "": ""},
            "in", "out", "failure", "custom", "parked", True,
        )  # fmt: skip
        owner = Owner(open_store())
        owner.keep(row)
        assert open_store().instance("a") == row

    def test_an_unknown_instance_is_none(self, open_store: OpenStore) -> None:
        assert open_store().instance("a") is None

    @pytest.mark.parametrize("impossible", ["a\0", "\ud800", "@box@\0"])
    def test_what_no_row_can_hold_is_found_nowhere(
        self, open_store: OpenStore, impossible: str
    ) -> None:
        Owner(store := open_store()).keep(instance("a"))
        assert store.instance(impossible) is None
        assert list(store.instances([impossible, "a"])) == ["a"]
        assert store.load([impossible, "a"])["a"].instance == instance("a")
        assert store.entity(impossible) is None
        assert store.posted([impossible]) == []
        assert store.history(impossible) == []
        assert store.backlog(impossible) == 0
        assert found(store, Query(id_prefix=impossible)) == []
        assert store.purge([impossible]).gone == []

    def test_a_later_row_takes_the_place_of_an_earlier(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(instance("a", tags={"k": "v", "l": "w"}, created=5, parked="{}", open=True))
        later = instance("a", tags={"k": "u"}, status=Status.COMPLETED, created=5)
        owner.keep(later)
        assert owner.store.query(Query(), 10).rows == [later]
        assert found(owner.store, Query(tags=(("l", "w"),))) == []
        assert found(owner.store, Query(tags=(("k", "u"),))) == ["a"]

    def test_a_claimed_instance_is_created_anew(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(before := instance("a", tags={"k": "v"}, created=5))
        anew = instance("a", created=7, name="other")
        owner.commit(claims={"a": before.execution_id}, instances={"a": anew})
        assert owner.store.query(Query(created_from=6), 10).rows == [anew]
        assert found(owner.store, Query(created_to=5)) == []
        assert found(owner.store, Query(tags=(("k", "v"),))) == []

    def test_tags_vanish_with_a_row_without_any(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(instance("a", tags={"k": "v"}))
        owner.keep(instance("a"))
        assert owner.store.instance("a") == instance("a")
        assert found(owner.store, Query(tags=(("k", "v"),))) == []

    def test_none_deletes_an_instance(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(instance("a", tags={"k": "v"}))
        owner.commit(instances={"a": None, "unknown": None})
        assert owner.store.instance("a") is None
        assert found(owner.store, Query(tags=(("k", "v"),))) == []

    def test_unknown_ids_are_left_out(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(*ALL)
        assert owner.store.instances(["a1", "zz", "bb"]) == {"a1": ALL[0], "bb": ALL[3]}
        assert owner.store.instances([]) == {}

    @pytest.mark.parametrize(
        ("query", "ids"),
        [
            (Query(), ["a1", "a2", "b%", "bb", "c\U0010ffffd"]),
            (Query(statuses=frozenset({Status.FAILED})), ["b%"]),
            (Query(statuses=frozenset({Status.FAILED, Status.COMPLETED})), ["a1", "b%"]),
            (Query(names=frozenset({"other", "unknown"})), ["a2"]),
            (Query(id_prefix="a"), ["a1", "a2"]),
            (Query(id_prefix="A"), []),
            (Query(id_prefix="b%"), ["b%"]),
            (Query(id_prefix="_"), []),
            (Query(id_prefix="c\U0010ffff"), ["c\U0010ffffd"]),
            (Query(created_from=2, created_to=3), ["a2", "b%", "bb"]),
            (Query(completed_from=5), ["a1", "b%"]),
            (Query(completed_from=6), ["b%"]),
            (Query(completed_to=5), ["a1"]),
            (Query(tags=(("team", "x"),)), ["a1", "a2"]),
            (Query(tags=(("team", "x"), ("n", "1"))), ["a1"]),
            (Query(tags=(("x", "team"),)), []),
            (Query(parent_id="a1"), ["a2"]),
            (Query(parent_id="a1", names=frozenset({"hello"})), []),
            (Query(version="2"), ["bb"]),
            (Query(version=""), ["a1", "a2", "b%", "c\U0010ffffd"]),
            (Query(version="1"), []),
        ],
    )
    def test_every_field_narrows_a_query(
        self, open_store: OpenStore, query: Query, ids: list[str]
    ) -> None:
        owner = Owner(open_store())
        owner.keep(*reversed(ALL))
        assert found(owner.store, query) == ids
        assert sum(owner.store.count(query).values()) == len(ids)

    def test_counts_are_by_status_without_zeros(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        assert owner.store.count(Query()) == {}
        owner.keep(*ALL)
        counts = {Status.RUNNING: 3, Status.COMPLETED: 1, Status.FAILED: 1}
        assert owner.store.count(Query()) == counts
