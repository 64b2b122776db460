"""Who runs a hub."""

from typing import Any

from starlette.responses import Response

from perdure.runtime.client.status_document import timestamp
from perdure.runtime.client.views import WorkerStatus

from .answers import OK, json_answer
from .call import Call
from .endpoint import Endpoint
from .keys import Access
from .refusal import BAD_REQUEST
from .shapes import WORKER_LIST


async def list_workers(call: Call) -> Response:
    """The workers that share the hub; none where the store has one owner, as a file has."""
    return json_answer([worker_document(worker) for worker in await call.client().workers()])


def worker_document(worker: WorkerStatus) -> dict[str, Any]:
    """A worker as plain JSON."""
    left = worker.lease_left.total_seconds()
    return {
        "workerId": worker.id,
        "name": worker.name,
        "alive": left > 0,
        "partitions": worker.partitions,
        "since": timestamp(worker.entered),
        "silentSeconds": worker.silent_for.total_seconds(),
        "leaseSeconds": left,
        "lag": worker.lag,
    }


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
