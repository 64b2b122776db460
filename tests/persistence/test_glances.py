"""A glance at a file tells of nearly every change, and spares looks that would find nothing."""

from datetime import UTC, datetime
from pathlib import Path

from perdure.persistence.memory import MemoryStore
from perdure.persistence.opening import open_store
from perdure.persistence.records import MessageRow
from perdure.runtime.engine.recovery import RAREST, Idleness
from perdure.testing import VirtualClock

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_post_of_another_process_shows_at_a_glance(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    ours, theirs = open_store(url), open_store(url)
    before = ours.glance()
    theirs.post([MessageRow(-1, "a", "{}")])
    assert before is not None
    assert ours.glance() not in (before, None)
    ours.close()
    theirs.close()


def test_nothing_changes_and_a_look_is_spared(tmp_path: Path) -> None:
    store, clock = open_store(f"sqlite:///{tmp_path / 'hub.db'}"), VirtualClock(BEGIN)
    idle = Idleness(store, clock)
    # One look more follows the first, as a change may look like the one before it.
    assert [idle.lasts() for _ in range(4)] == [False, False, True, True]
    store.post([MessageRow(-1, "a", "{}")])
    assert [idle.lasts() for _ in range(3)] == [False, False, True]
    clock.advance_to(clock.now() + round(RAREST * 1_000_000))
    assert not idle.lasts()
    store.close()


def test_a_store_without_glances_is_always_looked_into() -> None:
    idle = Idleness(MemoryStore(), VirtualClock(BEGIN))
    assert not any(idle.lasts() for _ in range(5))
