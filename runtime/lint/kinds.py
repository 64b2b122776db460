"""What functions can be registered as, and the words that register them."""

from enum import Enum


class Kind(Enum):
    """What a function is registered as."""

    ORCHESTRATION = "orchestration"
    ACTIVITY = "activity"
    ENTITY = "entity"


WORDS = {
    "orchestration": Kind.ORCHESTRATION,
    "orchestration_trigger": Kind.ORCHESTRATION,
    "add_orchestrator": Kind.ORCHESTRATION,
    "activity": Kind.ACTIVITY,
    "activity_trigger": Kind.ACTIVITY,
    "add_activity": Kind.ACTIVITY,
    "entity": Kind.ENTITY,
    "entity_trigger": Kind.ENTITY,
    "add_entity": Kind.ENTITY,
}
"""The decorators and methods of Perdure, of Durable Functions and of durabletask."""
