"""Starting orchestrations, and waiting for them."""

from functools import partial

from attrs import frozen
from starlette.responses import Response

from perdure.runtime.client.client import Client
from perdure.runtime.client.status_document import JSON, outcome

from .answers import ACCEPTED, OK, check_status
from .call import Call
from .callers import while_there
from .endpoint import Endpoint
from .inputs import json_body, orchestration_arguments
from .instances import ERROR_ON_FAILURE
from .parameters import Query, seconds, text
from .refusal import BAD_REQUEST, CONFLICT, FAILURE, Refusal
from .shapes import CHECK_STATUS, FAILED, OUTPUT

TIMEOUT = seconds("timeout", "How long to wait for the end; needs `pollingInterval` too.")
POLLING_INTERVAL = seconds(
    "pollingInterval", "Turns waiting on, with `timeout`; the engine says when it ends."
)
VERSION = text("version", "The version of the orchestration.")
WAITING = (TIMEOUT, POLLING_INTERVAL, ERROR_ON_FAILURE)
WAITED = {OK: OUTPUT, ACCEPTED: CHECK_STATUS, FAILURE: FAILED}


@frozen
class Patience:
    """How long a caller waits for the end before the links are enough."""

    seconds: float | None
    error_on_failure: bool

    @classmethod
    def read(cls, query: Query) -> "Patience":
        """What the query says: only both parameters together turn waiting on."""
        timeout, interval = TIMEOUT.read(query), POLLING_INTERVAL.read(query)
        error_on_failure = ERROR_ON_FAILURE.read(query)
        if timeout is None or interval is None:
            return cls(None, error_on_failure)
        if interval > timeout:
            raise Refusal(
                BAD_REQUEST, f"pollingInterval ({interval} s) must not exceed timeout ({timeout} s)"
            )
        return cls(timeout, error_on_failure)

    async def answer(self, call: Call, client: Client, instance_id: str) -> Response:
        """The output of the instance if it ends in time, else the links to it."""
        if self.seconds is None:
            return check_status(call, instance_id)
        wait = partial(client.wait_for_completion, instance_id, timeout=self.seconds)
        try:
            status = await while_there(call.request.scope, call.request.receive, wait)
        except TimeoutError:
            status = None
        if status is None:
            return check_status(call, instance_id)
        code, body = outcome(status, error_on_failure=self.error_on_failure)
        return Response(body, code, media_type=JSON)


async def start(call: Call) -> Response:
    """Start an orchestration; the body is its input."""
    patience, version = Patience.read(call.query), VERSION.read(call.query)
    client = call.client()
    app = client.gateway.app
    name = call.path["functionName"]
    value = await json_body(call, app.codec)
    arguments = orchestration_arguments(app, name, version, value)
    instance = await client.start_new(
        name,
        *arguments,
        instance_id=call.path.get("instanceId"),
        version=version,
        reuse=call.service.reuse,
        trace_context=call.trace,
    )
    return await patience.answer(call, client, instance.instance_id)


STARTING = [
    Endpoint(
        "POST",
        path,
        start,
        (OK, ACCEPTED, BAD_REQUEST, CONFLICT, FAILURE),
        (VERSION, *WAITING),
        body="optional json",
        shows=WAITED,
    )
    for path in ("/orchestrators/{functionName}", "/orchestrators/{functionName}/{instanceId}")
]
