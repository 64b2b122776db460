"""Answers that several endpoints give."""

from typing import Any

from starlette.responses import Response

from perdure.runtime.client.check_status import RETRY_AFTER_SECONDS
from perdure.runtime.client.management import check_status_links
from perdure.runtime.client.status_document import JSON, json_bytes

from .call import Call
from .parameters import header

OK = 200
ACCEPTED = 202
POLL_AFTER_SECONDS = 5
CONTINUATION = "x-ms-continuation-token"
CONTINUATION_TOKEN = header(
    CONTINUATION, "What the page before has in this header.", str, "that of a page"
)


def json_answer(
    document: Any, status_code: int = OK, headers: dict[str, str] | None = None
) -> Response:
    """Plain values."""
    return Response(json_bytes(document), status_code, headers, JSON)


def accepted() -> Response:
    """Nothing but 202: what was asked for is durable, and will happen."""
    return Response(status_code=ACCEPTED)


def check_status(call: Call, instance_id: str) -> Response:
    """The links to an instance."""
    links = call.links(instance_id)
    headers = {"Location": links["statusQueryGetUri"], "Retry-After": str(RETRY_AFTER_SECONDS)}
    return json_answer(check_status_links(links), ACCEPTED, headers)


def page_headers(token: str | None) -> dict[str, str]:
    """The header that leads on; none on the last page."""
    return {} if token is None else {CONTINUATION: token}
