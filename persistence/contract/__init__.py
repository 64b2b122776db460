"""What every store has to do, as tests. A store that passes them serves the runtime.

To run them over a store, define a pytest fixture `open_store`: a function without parameters that
returns a handle on one and the same empty task hub at each call. Then import the test classes:

    from perdure.persistence.contract import *

`TestErrands` and `TestSharing` are for stores that several workers can run, `SharedStore`s; their
fixture is called `open_shared`. No test is skipped for any store, as there is no difference to be
declared: what a store may do in its own way (durability, what happens to a closed one) is not in
here.
"""

from .archive import TestArchive
from .claims import TestClaims
from .commits import TestCommits
from .ended import TestEnded, TestFamily
from .entities import TestEntities
from .errands import TestErrands
from .inbox import TestInbox
from .instances import TestInstances
from .mailbox import TestMailbox
from .ownership import TestOwnership
from .paging import TestPaging
from .posts import TestPosts
from .purge import TestPurge
from .recovery import TestRecovery
from .replies import TestReplies
from .rows import OpenStore
from .sharing import OpenShared, TestSharing
from .timers import TestTimers
from .turns import TestTurns

__all__ = [
    "OpenShared",
    "OpenStore",
    "TestArchive",
    "TestClaims",
    "TestCommits",
    "TestEnded",
    "TestEntities",
    "TestErrands",
    "TestFamily",
    "TestInbox",
    "TestInstances",
    "TestMailbox",
    "TestOwnership",
    "TestPaging",
    "TestPosts",
    "TestPurge",
    "TestRecovery",
    "TestReplies",
    "TestSharing",
    "TestTimers",
    "TestTurns",
]
