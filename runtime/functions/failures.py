"""Failures as user code of the 1.x model gets them: a plain `Exception` with a reason and details.

Programs take the text apart, as there are no classes to tell failures by. Its first line is the
reason; then come a line break between two spaces and an object in JSON, which has the exception's
own text as `Message`.
"""

import json
from typing import Literal

from perdure.actors.errors import EntityOperationFailedError, TaskFailedError
from perdure.actors.failure import FailureDetails

Caller = Literal["Activity", "Orchestrator"]


def as_thrown(error: BaseException, kind: Caller) -> BaseException:
    """What the user's code sees for the failure of a call of that kind."""
    if isinstance(error, EntityOperationFailedError):
        thrown = Exception(error.details.message)
    elif isinstance(error, TaskFailedError):
        thrown = Exception(_text(error, kind))
    else:
        return error
    thrown.__cause__ = error
    return thrown


def _text(error: TaskFailedError, kind: Caller) -> str:
    failure = error.details
    message = _told(failure) if kind == "Activity" else failure.message
    details = {"ClassName": failure.type, "Message": message, "StackTraceString": failure.stack}
    reason = f"{kind} function '{error.name}' failed: {message}"
    return f"{reason} \n {json.dumps(details)}"


def _told(failure: FailureDetails) -> str:
    """As the Python worker says it: the bare name of the class, and its text."""
    return f"{failure.type.rpartition('.')[2]}: {failure.message}"
