"""Looking at orchestrations."""

from starlette.responses import Response

from perdure.actors.errors import InstanceNotFoundError
from perdure.actors.status import Status
from perdure.runtime.status_document import status_document

from .answers import ACCEPTED, OK, POLL_AFTER_SECONDS, json_answer
from .call import Call
from .endpoint import Endpoint
from .keys import Access
from .parameters import flag
from .refusal import BAD_REQUEST, FAILURE, NOT_FOUND

SHOW_INPUT = flag("showInput", "Whether the input is shown.", default=True)
ERROR_ON_FAILURE = flag(
    "returnInternalServerErrorOnFailure", "Whether a failed instance is answered by 500."
)


async def get_instance(call: Call) -> Response:
    """The status of an instance; 202 while it has not ended."""
    show_input, error_on_failure = SHOW_INPUT.read(call.query), ERROR_ON_FAILURE.read(call.query)
    instance_id = call.path["instanceId"]
    status = await call.client().get_status(instance_id, show_input=show_input)
    if status is None:
        raise InstanceNotFoundError(instance_id)
    document = status_document(status)
    if status.is_running:
        headers = {"Location": call.url, "Retry-After": str(POLL_AFTER_SECONDS)}
        return json_answer(document, ACCEPTED, headers)
    failed = status.runtime_status is Status.FAILED and error_on_failure
    return json_answer(document, FAILURE if failed else OK)


INSTANCES = [
    Endpoint(
        "GET",
        "/instances/{instanceId}",
        get_instance,
        (OK, ACCEPTED, BAD_REQUEST, NOT_FOUND),
        (SHOW_INPUT, ERROR_ON_FAILURE),
        access=Access.READ,
    ),
]
