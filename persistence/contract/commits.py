"""A commit: all or nothing, and seen by all that comes after it."""

import pytest
from attrs import evolve

from ...actors.errors import StoreError
from ..records import Commit, TimerRow
from .rows import FIRST, OpenStore, Owner, entity, instance, message, turn


class TestCommits:
    def test_an_empty_commit_changes_nothing(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit()
        assert owner.store.recover(100).position == 0

    def test_another_handle_sees_all_of_a_commit(self, open_store: OpenStore) -> None:
        owner, other = Owner(open_store()), open_store()
        owner.commit(
            instances={"a": instance("a")},
            entities={"@e@k": entity("@e@k")},
            turns=[turn("a", 0)],
            timers_set=[TimerRow("a", 1, FIRST, 50)],
            sent=[message("a", 1)],
            replies={"r": "yes"},
        )
        assert other.instance("a") == instance("a")
        assert other.entity("@e@k") == entity("@e@k")
        assert other.history("a") == [turn("a", 0)]
        assert other.due(0, 100).timers == [TimerRow("a", 1, FIRST, 50)]
        assert other.recover(100).messages == [message("a", 1)]
        assert other.take_replies(["r"]) == {"r": "yes"}

    def test_a_refused_commit_leaves_nothing_behind(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(turns=[turn("a", 0)])
        with pytest.raises(StoreError):
            owner.commit(
                instances={"a": instance("a")},
                turns=[turn("b", 0), turn("a", 0)],
                sent=[message("a", 1)],
                replies={"r": "yes"},
            )
        assert owner.store.instance("a") is None
        assert owner.store.history("b") == []
        assert owner.store.backlog("a") == 0
        assert owner.store.take_replies(["r"]) == {}

    def test_a_store_works_on_after_a_refusal(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(turns=[turn("a", 0)])
        with pytest.raises(StoreError):
            owner.commit(turns=[turn("a", 0)])
        owner.commit(turns=[turn("a", 1)])
        assert owner.store.history("a") == [turn("a", 0), turn("a", 1)]

    def test_rows_changed_after_the_commit_stay_as_committed(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        row = instance("a", tags={"k": "v"})
        owner.keep(row)
        row.name = "other"
        row.tags["k"] = "other"
        assert owner.store.instance("a") == instance("a", tags={"k": "v"})

    def test_rows_that_were_read_do_not_change_the_store(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        owner.commit(entities={"@e@k": entity("@e@k")})
        read = owner.store.entity("@e@k")
        assert read
        read.state = "9"
        assert owner.store.entity("@e@k") == entity("@e@k")

    def test_the_version_differs_after_a_commit(self, open_store: OpenStore) -> None:
        owner, other = Owner(open_store()), open_store()
        before = owner.store.version(), other.version()
        assert before == (owner.store.version(), other.version())
        owner.keep(instance("a"))
        assert owner.store.version() != before[0]
        assert other.version() != before[1]

    @pytest.mark.parametrize("text", ["", "1", "null", "\\u0000", "' \" \\ € 😀 \n % _", "[1]"])
    def test_any_text_comes_back_as_it_was(self, open_store: OpenStore, text: str) -> None:
        owner = Owner(open_store())
        owner.commit(
            instances={"a": instance("a", input=text, tags={text: text}), "b": instance("b")},
            turns=[evolve(turn("a", 0), events=text, notes=text), turn("b", 0)],
        )
        assert owner.store.instance("a") == instance("a", input=text, tags={text: text})
        assert owner.store.history("a") == [evolve(turn("a", 0), events=text, notes=text)]

    def test_many_rows_fit_into_one_commit(self, open_store: OpenStore) -> None:
        owner = Owner(open_store())
        rows = {f"i{number}": instance(f"i{number}") for number in range(1500)}
        owner.store.commit(Commit(owner.epoch, instances=dict(rows)))
        assert owner.store.instances(rows) == rows
