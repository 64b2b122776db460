"""Entities: snapshots, found by id."""

from typing import Any

import pytest

from ..records import EntityRow
from .rows import OpenStore, Owner, entity

ALL = [
    entity("@e@", updated=1),
    entity("@e@a", updated=2),
    entity("@e@a_1", updated=3),
    entity("@e@b", updated=4, state=None, locked_by="o"),
    entity("@ee@a", updated=5),
]


class TestEntities:
    def test_every_field_comes_back(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        row = EntityRow("@e@k", 7, "state", "owner", "lock", "parked")
        owner.commit(entities={row.id: row})
        assert open_store().entity("@e@k") == row

    def test_an_unknown_entity_is_none(self, open_store: OpenStore) -> None:
        assert open_store().entity("@e@k") is None

    def test_the_last_snapshot_stays(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(entities={"@e@k": entity("@e@k", locked_by="o", lock="l")})
        owner.commit(entities={"@e@k": entity("@e@k", state="1")})
        assert owner.store.entity("@e@k") == entity("@e@k", state="1")

    def test_none_deletes_an_entity(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(entities={"@e@k": entity("@e@k")})
        owner.commit(entities={"@e@k": None, "@e@unknown": None})
        assert owner.store.entity("@e@k") is None

    @pytest.mark.parametrize(
        ("prefix", "options", "ids"),
        [
            ("@e@", {}, ["@e@", "@e@a", "@e@a_1"]),
            ("@e@", {"transient": True}, ["@e@", "@e@a", "@e@a_1", "@e@b"]),
            ("@e@a", {}, ["@e@a", "@e@a_1"]),
            ("@e@a_", {}, ["@e@a_1"]),
            ("@e@A", {}, []),
            ("@", {}, ["@e@", "@e@a", "@e@a_1", "@ee@a"]),
            ("", {"updated_from": 2, "updated_to": 3}, ["@e@a", "@e@a_1"]),
        ],
    )
    def test_entities_are_found_by_prefix_and_time(
        self, open_store: OpenStore, prefix: str, options: dict[str, Any], ids: list[str]
    ) -> None:
        owner = Owner(open_store())
        owner.commit(entities={row.id: row for row in ALL})
        assert [row.id for row in owner.store.entities(prefix, 10, **options).rows] == ids
