"""How a call is refused: a status code and a body in the words of the Functions host."""

import logging
import traceback
from typing import Any

from perdure.actors.errors import (
    ArityError,
    DefinitionNotFoundError,
    HistoryUnreadableError,
    InstanceAlreadyExistsError,
    InstanceIdError,
    InstanceNotFoundError,
    InstanceStateError,
    OperationNotFoundError,
    PayloadError,
    PayloadTooLargeError,
    RuntimeClosedError,
    StoreCorruptError,
    StoreError,
    StoreVersionError,
)
from perdure.actors.failure import qualified_name
from perdure.actors.wire import UnreadableEventError

logger = logging.getLogger("perdure.http")

BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
CONFLICT = 409
GONE = 410
PRECONDITION_FAILED = 412
TOO_LARGE = 413
FAILURE = 500
UNAVAILABLE = 503

_STATUS_CODES: list[tuple[type[Exception], int]] = [
    (PayloadTooLargeError, TOO_LARGE),
    (InstanceNotFoundError, NOT_FOUND),
    (InstanceStateError, GONE),
    (InstanceAlreadyExistsError, CONFLICT),
    (RuntimeClosedError, UNAVAILABLE),
    (DefinitionNotFoundError, BAD_REQUEST),
    (OperationNotFoundError, BAD_REQUEST),
    (ArityError, BAD_REQUEST),
    (InstanceIdError, BAD_REQUEST),
    (PayloadError, BAD_REQUEST),
    (HistoryUnreadableError, FAILURE),
    (UnreadableEventError, FAILURE),
    (ValueError, BAD_REQUEST),
]


_NOT_NOW = (
    "the store cannot do it just now, and a change may have been made all the same; "
    "the log of the service says why"
)


class Refusal(Exception):  # noqa: N818 - it is an answer, and not a fault
    """Raised inside an endpoint to end the call with this status code and message."""

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.message = message


def refuse(error: Exception, *, show_stacks: bool) -> tuple[int, dict[str, Any]]:
    """The status code and body for any error; what nobody expected is logged."""
    refusal = refusal_of(error)
    if refusal is not None:
        document = refusal_document(refusal.message, error, stack=show_stacks)
        return refusal.status_code, document
    if _may_pass(error):
        # Each call meets it until it is over: one line says it, and where the store is, which is
        # nothing for callers.
        logger.error("the store cannot do what a call asked for: %s", error)
        code, hidden = UNAVAILABLE, _NOT_NOW
    else:
        logger.error("an endpoint of the management API failed", exc_info=error)
        code, hidden = FAILURE, "something went wrong; the log of the service says what"
    message = str(error) if show_stacks else hidden
    return code, refusal_document(message, error, stack=show_stacks)


def _may_pass(error: Exception) -> bool:
    """Whether the same call may succeed later, with nothing mended here."""
    lasting = (StoreCorruptError, StoreVersionError)
    return isinstance(error, StoreError) and not isinstance(error, lasting)


def refusal_of(error: Exception) -> Refusal | None:
    """The answer to what the client raised, or None for what nobody expected."""
    if isinstance(error, Refusal):
        return error
    for kind, code in _STATUS_CODES:
        if isinstance(error, kind):
            return Refusal(code, str(error))
    return None


def refusal_document(message: str, error: Exception, *, stack: bool) -> dict[str, Any]:
    """The body; the stack is in it only when asked for."""
    document: dict[str, Any] = {"Message": message}
    if not isinstance(error, Refusal) or error.status_code == BAD_REQUEST:
        document["ExceptionMessage"] = message
        document["ExceptionType"] = qualified_name(type(error))
    if stack:
        document["StackTrace"] = "".join(traceback.format_exception(error))
    return document
