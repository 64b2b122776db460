"""Who runs a hub."""

from starlette.responses import Response

from perdure.runtime.client.status_document import worker_document

from .answers import OK, json_answer
from .call import Call
from .endpoint import Endpoint
from .keys import Access
from .refusal import BAD_REQUEST
from .shapes import WORKER_LIST


async def list_workers(call: Call) -> Response:
    """The workers that share the hub; none where the store has one owner, as a file has."""
    return json_answer([worker_document(worker) for worker in await call.client().workers()])


WORKERS = [
    Endpoint(
        "GET",
        "/workers",
        list_workers,
        (OK, BAD_REQUEST),
        access=Access.READ,
        shows={OK: WORKER_LIST},
    )
]
