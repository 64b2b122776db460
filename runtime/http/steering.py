"""Steering orchestrations: events, termination, suspension, rewind, restart."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from perdure.actors.errors import (
    InstanceAlreadyExistsError,
    InstanceNotFoundError,
    InstanceStateError,
)
from perdure.actors.status import Status
from perdure.runtime.client.client import Client
from perdure.runtime.client.status_document import JSON

from .answers import ACCEPTED, OK, accepted
from .call import Call
from .endpoint import Endpoint
from .inputs import NOTHING, json_body, says_json
from .parameters import flag, text
from .refusal import (
    BAD_REQUEST,
    CONFLICT,
    FAILURE,
    GONE,
    NOT_FOUND,
    PRECONDITION_FAILED,
    Refusal,
)
from .shapes import NOTHING as EMPTY
from .starting import WAITED, WAITING, Patience

REASON = text("reason", "Why; kept in the history.")
WITH_NEW_ID = flag(
    "restartWithNewInstanceId", "Whether the new instance gets a new id.", default=True
)


async def raise_event(call: Call) -> Response:
    """Raise an external event; the body is its data."""
    instance_id, client = call.path["instanceId"], call.client()
    status = await _status(client, instance_id)
    if status.is_terminal:
        raise InstanceStateError(instance_id, status, "raise an event at")
    if not says_json(call.request):
        given = call.request.headers.get("content-type")
        raise Refusal(BAD_REQUEST, f"the content type is {JSON}, not {given!r}")
    data = await json_body(call, client.gateway.app.codec)
    await client.raise_event(instance_id, call.path["eventName"], None if data is NOTHING else data)
    return accepted()


async def terminate(call: Call) -> Response:
    """End an instance; its output becomes the reason."""
    reason = REASON.read(call.query)
    await call.client().terminate(call.path["instanceId"], reason)
    return accepted()


async def suspend(call: Call) -> Response:
    """Let nothing reach the code of an instance until it is resumed."""
    reason = REASON.read(call.query)
    await call.client().suspend(call.path["instanceId"], reason)
    return accepted()


async def resume(call: Call) -> Response:
    """Let an instance go on; does nothing for one that does."""
    reason = REASON.read(call.query)
    try:
        await call.client().resume(call.path["instanceId"], reason)
    except InstanceStateError as error:
        if error.status.is_terminal:
            raise
    return accepted()


async def rewind(call: Call) -> Response:
    """Let a failed instance do its failed work again."""
    reason = REASON.read(call.query)
    try:
        await call.client().rewind(call.path["instanceId"], reason)
    except InstanceStateError as error:
        raise Refusal(PRECONDITION_FAILED, str(error)) from error
    return accepted()


async def restart(call: Call) -> Response:
    """Start an orchestration again, with the same input, version and tags."""
    with_new_id, patience = WITH_NEW_ID.read(call.query), Patience.read(call.query)
    client = call.client()
    try:
        instance = await client.restart(
            call.path["instanceId"], restart_with_new_instance_id=with_new_id
        )
    except InstanceNotFoundError as error:
        raise Refusal(BAD_REQUEST, str(error)) from error
    except (InstanceStateError, InstanceAlreadyExistsError) as error:
        raise Refusal(CONFLICT, str(error)) from error
    return await patience.answer(call, client, instance.instance_id)


async def _status(client: Client, instance_id: str) -> Status:
    known = await client.get_status(instance_id, show_input=False)
    if known is None:
        raise InstanceNotFoundError(instance_id)
    return known.runtime_status


def _with_reason(verb: str, answer: Callable[[Call], Awaitable[Response]], wrong: int) -> Endpoint:
    path, codes = f"/instances/{{instanceId}}/{verb}", (ACCEPTED, NOT_FOUND, wrong)
    return Endpoint("POST", path, answer, codes, (REASON,), shows={ACCEPTED: EMPTY})


STEERING = [
    Endpoint(
        "POST",
        "/instances/{instanceId}/raiseEvent/{eventName}",
        raise_event,
        (ACCEPTED, BAD_REQUEST, NOT_FOUND, GONE),
        body="json",
        shows={ACCEPTED: EMPTY},
    ),
    _with_reason("terminate", terminate, GONE),
    _with_reason("suspend", suspend, GONE),
    _with_reason("resume", resume, GONE),
    _with_reason("rewind", rewind, PRECONDITION_FAILED),
    Endpoint(
        "POST",
        "/instances/{instanceId}/restart",
        restart,
        (OK, ACCEPTED, BAD_REQUEST, CONFLICT, FAILURE),
        (WITH_NEW_ID, *WAITING),
        shows=WAITED,
    ),
]
