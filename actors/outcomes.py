"""How an execution of orchestrator code ends."""

from attrs import define

from .failure import FailureDetails
from .history import EventRaised, Payload


@define
class Returned:
    """The code returned."""

    result: Payload


@define
class Raised:
    """The code raised, or its result could not be written."""

    failure: FailureDetails


@define
class Continued:
    """The code asked to begin anew."""

    input: Payload
    version: str | None
    carryover: list[EventRaised]


class RefusedError(Exception):
    """Says that the code may not go on with what is begun: the execution fails, without replay."""

    def __init__(self, failure: FailureDetails) -> None:
        super().__init__(str(failure))
        self.failure = failure


Outcome = Returned | Raised | Continued


@define
class Continuation:
    """What `continue_as_new` asked for."""

    input: Payload
    version: str | None
    preserve_events: bool


def standing(outcome: Outcome | None) -> str:
    """Where code stands, in words, for a report of what it did not do."""
    match outcome:
        case None:
            return "waits"
        case Returned():
            return "has returned"
        case Raised():
            return f"has raised {outcome.failure}"
        case Continued():
            return "has continued as new"
