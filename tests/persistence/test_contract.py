"""The contract of a store, over all stores."""

from perdure.persistence.contract import (
    TestArchive as TestArchive,
)
from perdure.persistence.contract import (
    TestClaims as TestClaims,
)
from perdure.persistence.contract import (
    TestCommits as TestCommits,
)
from perdure.persistence.contract import (
    TestEnded as TestEnded,
)
from perdure.persistence.contract import (
    TestEntities as TestEntities,
)
from perdure.persistence.contract import (
    TestErrands as TestErrands,
)
from perdure.persistence.contract import (
    TestFamily as TestFamily,
)
from perdure.persistence.contract import (
    TestInbox as TestInbox,
)
from perdure.persistence.contract import (
    TestInstances as TestInstances,
)
from perdure.persistence.contract import (
    TestMailbox as TestMailbox,
)
from perdure.persistence.contract import (
    TestOwnership as TestOwnership,
)
from perdure.persistence.contract import (
    TestPaging as TestPaging,
)
from perdure.persistence.contract import (
    TestPosts as TestPosts,
)
from perdure.persistence.contract import (
    TestPurge as TestPurge,
)
from perdure.persistence.contract import (
    TestRecovery as TestRecovery,
)
from perdure.persistence.contract import (
    TestReplies as TestReplies,
)
from perdure.persistence.contract import (
    TestSharing as TestSharing,
)
from perdure.persistence.contract import (
    TestTimers as TestTimers,
)
from perdure.persistence.contract import (
    TestTurns as TestTurns,
)
