"""The history checker: whether what clients were told and what is durable fit together."""

from .check import check_history as check_history
from .evidence import Evidence as Evidence
from .evidence import Verdict as Verdict
from .evidence import Violation as Violation
from .history import History as History
from .ledger import Attempt as Attempt
from .ledger import Ledger as Ledger
from .operation import Operation as Operation
from .recording import recorded as recorded

__all__ = [
    "Attempt",
    "Evidence",
    "History",
    "Ledger",
    "Operation",
    "Verdict",
    "Violation",
    "check_history",
    "recorded",
]
