"""A critical section has its entities for itself, and gives them back."""

from collections.abc import Iterator

from perdure.actors.history import EntityLockGranted, EntityLockRequested, EntityUnlockSent

from .evidence import Evidence, Verdict, Violation

EXCLUSIVE = "a lock has one holder at a time"
RETURNED = "a lock does not outlive its holder"


def check_locks(evidence: Evidence, verdict: Verdict) -> None:
    """Look who held which entity, in the order of the turns, and who holds one in the end."""
    if evidence.ledger.steps is not None:
        verdict.violations += _shared(evidence)
    if evidence.at_rest:
        verdict.violations += _kept(evidence)


def _shared(evidence: Evidence) -> Iterator[Violation]:
    requests: dict[str, EntityLockRequested] = {}
    holders: dict[str, str] = {}
    for step in evidence.ledger.steps or ():
        for event in step.taken:
            if isinstance(event, EntityLockGranted):
                request = requests.get(event.critical_section_id)
                for target in request.lock_set if request is not None else ():
                    holder = holders.setdefault(target, step.actor)
                    if holder != step.actor:
                        text = f"{step.actor} was given it while {holder} held it"
                        yield Violation(EXCLUSIVE, target, text)
        for message in step.sent:
            match message.event:
                case EntityLockRequested() as request:
                    requests.setdefault(request.critical_section_id, request)
                case EntityUnlockSent():
                    if holders.get(message.target) == step.actor:
                        del holders[message.target]
                case _:
                    pass


def _kept(evidence: Evidence) -> Iterator[Violation]:
    for whole in evidence.wholes.values():
        owner = whole.entity.locked_by if whole.entity is not None else None
        if owner is None:
            continue
        holder = evidence.wholes.get(owner)
        row = holder.instance if holder is not None else None
        if row is None or row.status.is_terminal:
            state = "is not there" if row is None else f"is {row.status.name}"
            yield Violation(RETURNED, whole.id, f"locked by {owner}, which {state}")
