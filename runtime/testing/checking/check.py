"""The verdict: whether what happened is allowed."""

from perdure.runtime.checked import checked_kind

from .acknowledged import check_acknowledged
from .entities import check_entities
from .events import check_events
from .evidence import Evidence, Verdict
from .locks import check_locks
from .orchestrations import check_orchestrations
from .stored import check_stored
from .waiting import check_waiting

RULES = (
    check_stored,
    check_acknowledged,
    check_events,
    check_orchestrations,
    check_locks,
    check_entities,
    check_waiting,
)


def check_history(evidence: Evidence) -> Verdict:
    """Hold the evidence against every promise; violations come in the order of the rules."""
    checked_kind(evidence, Evidence, "evidence is Evidence.of(app, history, store)")
    verdict = Verdict()
    for rule in RULES:
        rule(evidence, verdict)
    return verdict
