"""Claims: who begins an instance anew finds it as expected, or does not write."""

import pytest

from ...actors.errors import ClaimLostError
from ..records import Start
from .rows import FIRST, SECOND, OpenStore, Owner, instance


class TestClaims:
    def test_a_claim_of_a_free_id_holds(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(claims={"a": None}, instances={"a": instance("a")})
        assert owner.store.instance("a") == instance("a")

    def test_a_claim_of_the_execution_there_holds(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.keep(instance("a"))
        anew = instance("a", execution_id=SECOND)
        owner.commit(claims={"a": FIRST}, instances={"a": anew})
        assert owner.store.instance("a") == anew

    def test_a_claim_is_lost_to_a_client_that_was_first(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        open_store().post([], [Start(instance("a", execution_id=SECOND), frozenset())])
        with pytest.raises(ClaimLostError, match="'a'"):
            owner.commit(claims={"a": None}, instances={"a": instance("a"), "b": instance("b")})
        assert owner.store.instance("a") == instance("a", execution_id=SECOND)
        assert owner.store.instance("b") is None

    def test_a_claim_of_a_purged_execution_is_lost(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        with pytest.raises(ClaimLostError):
            owner.commit(claims={"a": FIRST}, instances={"a": instance("a")})
        assert owner.store.instance("a") is None
