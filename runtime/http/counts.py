"""How many orchestrations there are, by status."""

from starlette.responses import Response

from perdure.actors.status import Status

from .answers import OK, json_answer
from .call import Call
from .endpoint import Endpoint
from .filters import FILTERS, filters
from .keys import Access
from .refusal import BAD_REQUEST
from .shapes import COUNTS as NUMBERS


async def count_instances(call: Call) -> Response:
    """How many orchestrations match, by status and in total."""
    found = await call.client().count(**filters(call.query))
    by_status = {status.label: found.get(status, 0) for status in Status}
    return json_answer({"total": sum(by_status.values()), "runtimeStatus": by_status})


COUNTS = [
    Endpoint(
        "GET",
        "/counts",
        count_instances,
        (OK, BAD_REQUEST),
        FILTERS,
        access=Access.READ,
        shows={OK: NUMBERS},
    )
]
