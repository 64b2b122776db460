"""The activity behind `ctx.call_http`, in a worker thread.

Answers of every status are returned, unless the request says which of them are failures. A body
larger than the App's cap for payloads fails the call.
"""

from typing import Any

from ..actors.activity_context import ActivityContext
from ..actors.app import App
from ..actors.definitions import ActivityDefinition, Input, Signature
from ..actors.durable_http import HTTP_ACTIVITY, DurableHttpRequest
from ..actors.errors import HttpRequestError, TokenNotAvailableError


def http_activity(app: App) -> ActivityDefinition:
    """The definition for an App, whose token provider and cap it uses."""

    def perform(activity: ActivityContext, said: dict[str, Any]) -> dict[str, Any]:
        from .http_answers import response_of  # noqa: PLC0415 - most programs call nobody

        request = DurableHttpRequest.from_json(said)
        trace = activity.trace_context
        headers = {
            "User-Agent": "perdure",
            **(trace.headers() if trace is not None else {}),
            **request.headers,
            **_authorization(app, request),
        }
        response = response_of(request, headers, app.codec.payload_bytes_max, activity.cancelled)
        if request.fails(response.status_code):
            raise HttpRequestError(
                request.method, request.uri, f"status {response.status_code}", response.status_code
            )
        return response.to_json()

    signature = Signature(HTTP_ACTIVITY, (Input("request", Any, required=True),))
    return ActivityDefinition(HTTP_ACTIVITY, perform, signature, True, "thread")


def _authorization(app: App, request: DurableHttpRequest) -> dict[str, str]:
    source = request.token_source
    if source is None:
        return {}
    if app.token_provider is None:
        raise TokenNotAvailableError(source.resource)
    return {"Authorization": f"Bearer {app.token_provider(source)}"}
