"""Pages: exact, in order, and no row twice or never."""

import pytest

from ..records import Query
from .rows import OpenStore, Owner, entity, instance


class TestPaging:
    def test_pages_together_hold_every_row_once(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(*(instance(f"i{n}", created=n % 3) for n in range(7)))
        pages: list[list[str]] = []
        token: str | None = None
        while not pages or token:
            page = owner.store.query(Query(), 3, token)
            pages.append([row.id for row in page.rows])
            token = page.token
        assert pages == [["i0", "i3", "i6"], ["i1", "i4", "i2"], ["i5"]]

    def test_a_full_last_page_has_no_token(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(instance("a"), instance("b"))
        page = owner.store.query(Query(), 2)
        assert len(page.rows) == 2
        assert page.token is None

    def test_an_empty_answer_has_no_token(self, open_store: OpenStore) -> None:
        page = open_store().query(Query(), 1)
        assert (page.rows, page.token) == ([], None)

    def test_a_token_outlives_the_row_it_names(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(*(instance(key) for key in "abcd"))
        token = owner.store.query(Query(), 2).token
        owner.commit(instances={"b": None})
        assert [row.id for row in owner.store.query(Query(), 2, token).rows] == ["c", "d"]

    def test_a_token_is_plain_text(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(instance("ä 😀"), instance("ä 😁"))
        token = owner.store.query(Query(), 1).token
        assert token
        assert token.isascii()
        assert token.isprintable()
        assert [row.id for row in owner.store.query(Query(), 1, token).rows] == ["ä 😁"]

    @pytest.mark.parametrize("token", ["", "x", "nonsense", "ä", "W10=", "bnVsbA=="])
    def test_an_unreadable_token_is_refused(self, open_store: OpenStore, token: str) -> None:
        store = open_store()
        with pytest.raises(ValueError, match="token"):
            store.query(Query(), 1, token)
        with pytest.raises(ValueError, match="token"):
            store.entities("@e@", 1, token)

    @pytest.mark.parametrize("size", [0, -1])
    def test_a_page_without_room_is_refused(self, open_store: OpenStore, size: int) -> None:
        store = open_store()
        with pytest.raises(ValueError, match="page"):
            store.query(Query(), size)
        with pytest.raises(ValueError, match="page"):
            store.entities("@e@", size)

    def test_entities_come_in_pages_too(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(entities={f"@e@{key}": entity(f"@e@{key}") for key in "cab"})
        first = owner.store.entities("@e@", 2)
        second = owner.store.entities("@e@", 2, first.token)
        assert [row.id for row in first.rows + second.rows] == ["@e@a", "@e@b", "@e@c"]
        assert second.token is None
