"""Ownership: one at a time, each with a larger epoch, and none writes after its time."""

import pytest

from ...actors.errors import StaleOwnerError, StoreInUseError
from .rows import OpenStore, Owner, instance


class TestOwnership:
    def test_each_owner_gets_a_larger_epoch(self, open_store: OpenStore) -> None:
        store = open_store()
        first = store.own()
        store.disown()
        assert store.own() > first

    def test_a_second_owner_is_refused(self, open_store: OpenStore) -> None:
        open_store().own()
        other = open_store()
        with pytest.raises(StoreInUseError):
            other.own()

    def test_an_owner_cannot_own_twice(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        with pytest.raises(StoreInUseError):
            owner.store.own()
        owner.keep(instance("a"))

    def test_a_refused_owner_does_not_disturb_the_first(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        with pytest.raises(StoreInUseError):
            open_store().own()
        owner.keep(instance("a"))
        assert owner.store.instance("a")

    def test_closing_lets_the_next_one_own(self, open_store: OpenStore) -> None:
        store = open_store()
        first = store.own()
        store.close()
        assert open_store().own() > first

    def test_disowning_is_harmless_for_who_owns_nothing(self, open_store: OpenStore) -> None:
        store = open_store()
        store.disown()
        store.disown()
        assert store.own()

    def test_a_former_owner_can_never_write(self, open_store: OpenStore) -> None:
        former = Owner(open_store())
        former.store.disown()
        Owner(open_store())
        with pytest.raises(StaleOwnerError):
            former.keep(instance("a"))
        assert former.store.instance("a") is None

    def test_an_epoch_of_the_future_is_refused(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.epoch += 1
        with pytest.raises(StaleOwnerError):
            owner.keep(instance("a"))
