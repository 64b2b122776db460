"""How many orchestrations there are, by status."""

from starlette.responses import Response

from perdure.actors.status import Status

from .answers import OK, json_answer
from .call import Call
from .endpoint import Endpoint
from .instances import CREATED_FROM, CREATED_TO, ID_PREFIX, RUNTIME_STATUS
from .keys import Access
from .refusal import BAD_REQUEST
from .shapes import COUNTS as NUMBERS


async def count_instances(call: Call) -> Response:
    """How many orchestrations match, by status and in total."""
    created_from, created_to = CREATED_FROM.read(call.query), CREATED_TO.read(call.query)
    statuses, prefix = RUNTIME_STATUS.read(call.query), ID_PREFIX.read(call.query)
    found = await call.client().count(
        statuses=statuses,
        instance_id_prefix=prefix or "",
        created_from=created_from,
        created_to=created_to,
    )
    by_status = {status.label: found.get(status, 0) for status in Status}
    return json_answer({"total": sum(by_status.values()), "runtimeStatus": by_status})


COUNTS = [
    Endpoint(
        "GET",
        "/counts",
        count_instances,
        (OK, BAD_REQUEST),
        (CREATED_FROM, CREATED_TO, RUNTIME_STATUS, ID_PREFIX),
        access=Access.READ,
        shows={OK: NUMBERS},
    )
]
