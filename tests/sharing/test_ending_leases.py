"""The partitions of a dead worker are free when its lease ends, and somebody looks just then."""

from contextlib import closing
from queue import Queue

from perdure.persistence.opening import open_store
from perdure.persistence.records import Roster
from perdure.persistence.sharing import is_shared


def test_a_lease_that_ends_is_noticed_at_once(hub_url: str) -> None:
    met: Queue[Roster] = Queue()
    with closing(open_store(hub_url)) as store:
        assert is_shared(store)
        dead = store.enter(lease=0.3, heartbeat=0.1)
        dead.beat()
        assert dead.claim([3, 4]).keys() == {3, 4}
        # No heartbeat of its own comes while this test waits.
        heir = store.enter(lease=600, heartbeat=300)
        heir.watch(met.put, lambda _: None)
        rosters = [met.get(timeout=30)]
        while dead.id in rosters[-1].alive:
            rosters.append(met.get(timeout=30))
        heir.leave()
    assert {3, 4} <= {*rosters[-1].free}


def test_a_roster_knows_when_a_lease_ends(hub_url: str) -> None:
    with closing(open_store(hub_url)) as store:
        assert is_shared(store)
        other, one = store.enter(lease=50, heartbeat=9), store.enter(lease=600, heartbeat=300)
        assert one.beat().lapses > 600
        other.beat()
        assert 0 < one.beat().lapses <= 50
