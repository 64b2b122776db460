"""Who runs a hub, and what waits there for any of them."""

from starlette.responses import Response

from perdure.runtime.client.status_document import queue_document, worker_document

from .answers import OK, json_answer
from .call import Call
from .endpoint import Endpoint
from .keys import Access
from .refusal import BAD_REQUEST
from .shapes import QUEUE_LIST, WORKER_LIST


async def list_workers(call: Call) -> Response:
    """The workers that share the hub; none where the store has one owner, as a file has."""
    return json_answer([worker_document(worker) for worker in await call.client().workers()])


async def list_queues(call: Call) -> Response:
    """The shared activities that wait or run; none where the store has one owner."""
    return json_answer([queue_document(queue) for queue in await call.client().queues()])


WORKERS = [
    Endpoint(
        "GET",
        "/workers",
        list_workers,
        (OK, BAD_REQUEST),
        access=Access.READ,
        shows={OK: WORKER_LIST},
    ),
    Endpoint(
        "GET",
        "/queues",
        list_queues,
        (OK, BAD_REQUEST),
        access=Access.READ,
        shows={OK: QUEUE_LIST},
    ),
]
