"""What is stored was written so, and an instance shows the end that its log has."""

from collections.abc import Iterator

from perdure.actors.history import ExecutionCompleted, ExecutionRewound, ExecutionStarted
from perdure.persistence.records import InstanceRow

from .evidence import Evidence, Verdict, Violation
from .ledger import Life

WRITTEN = "what is stored is what was written"
SAME_END = "an instance shows the end that its log has"


def check_stored(evidence: Evidence, verdict: Verdict) -> None:
    """Hold every row against its checksum, and every instance against its log."""
    for actor_id, why in evidence.unreadable.items():
        verdict.violations.append(Violation(WRITTEN, actor_id, why))
    for whole in evidence.wholes.values():
        if whole.damage is not None:
            verdict.violations.append(Violation(WRITTEN, whole.id, whole.damage))
        elif whole.instance is not None:
            lives = evidence.ledger.lives.get(whole.id, [])
            verdict.violations += _another_end(whole.instance, lives[-1] if lives else None)


def _another_end(row: InstanceRow, life: Life | None) -> Iterator[Violation]:
    end = None if life is None else _end(life)
    logged = None if end is None else (end.status.name, end.result)
    shown = (row.status.name, row.output) if row.status.is_terminal else None
    if shown != logged:
        yield Violation(SAME_END, row.id, f"it shows {shown}, and its log has {logged}")


def _end(life: Life) -> ExecutionCompleted | None:
    """How it ended, unless it was rewound since."""
    end: ExecutionCompleted | None = None
    for _, event in life.events:
        if isinstance(event, ExecutionCompleted):
            end = event
        elif isinstance(event, (ExecutionStarted, ExecutionRewound)):
            end = None
    return end
