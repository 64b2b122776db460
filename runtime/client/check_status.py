"""The client's answers to HTTP requests: links to an instance, or its output if it is quick.

They are made for Starlette, so for FastAPI too, and for `azure.functions`. Neither is imported
here: whoever has a request has its module.
"""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple, overload
from urllib.parse import urlsplit

from .management import ManagementUrl, check_status_links
from .queries import Queries
from .status_document import JSON, json_bytes, outcome

RETRY_AFTER_SECONDS = 10
TIMEOUT_SECONDS = 10.0
INTERVAL_SECONDS = 1.0


class CheckStatus(Queries):
    """The part of the client that answers HTTP requests."""

    management: ManagementUrl
    """Where the management API of this client's task hub is."""

    def create_check_status_response(self, request: Any, instance_id: str) -> Any:
        """A response 202 with the links to an instance; of the kind of the request.

        Raises `TypeError` for a request of an unknown kind.
        """
        frame = _frame(request)
        links = self.create_http_management_payload(request, instance_id)
        headers = {
            "Location": links["statusQueryGetUri"],
            "Retry-After": str(RETRY_AFTER_SECONDS),
        }
        return frame.response(202, json_bytes(check_status_links(links)), headers)

    @overload
    def create_http_management_payload(self, request: str, /) -> dict[str, str]: ...
    @overload
    def create_http_management_payload(
        self, request: Any, instance_id: str, /
    ) -> dict[str, str]: ...
    def create_http_management_payload(
        self, request: Any, instance_id: str | None = None, /
    ) -> dict[str, str]:
        """The links to an instance: `(instance_id)`, or `(request, instance_id)`.

        Without a request the management URL has to have a host, else `ValueError`.
        """
        if instance_id is None:
            return self.management.links(request)
        return self.management.links(instance_id, _origin(request, self.management))

    async def wait_for_completion_or_create_check_status_response(
        self,
        request: Any,
        instance_id: str,
        timeout: float = TIMEOUT_SECONDS,
        retry_interval: float = INTERVAL_SECONDS,
        *,
        return_internal_server_error_on_failure: bool = False,
    ) -> Any:
        """The output of an instance, or after `timeout` seconds the links to it.

        Of an instance that did not complete, its status; 500 for one that failed when asked for.
        The engine says when it ends, so that `retry_interval` is only checked: `ValueError` when
        it is longer than `timeout`. Raises `InstanceNotFoundError`.
        """
        if retry_interval > timeout:
            raise ValueError(
                f"retry_interval ({retry_interval} s) must not be longer than timeout ({timeout} s)"
            )
        frame = _frame(request)
        try:
            status = await self.wait_for_completion(instance_id, timeout=timeout)
        except TimeoutError:
            return self.create_check_status_response(request, instance_id)
        code, body = outcome(status, error_on_failure=return_internal_server_error_on_failure)
        return frame.response(code, body, {})


class _Frame(NamedTuple):
    """What is known of a web framework."""

    requests: type
    responses: Any
    body: str
    media_type: str

    def response(self, status_code: int, body: bytes, headers: Mapping[str, str]) -> Any:
        options = {self.body: body, self.media_type: JSON}
        headers = {"Content-Type": JSON, **headers}
        return self.responses(status_code=status_code, headers=headers, **options)


def _frame(request: Any) -> _Frame:
    starlette, azure = sys.modules.get("starlette.requests"), sys.modules.get("azure.functions")
    if starlette is not None and isinstance(request, starlette.Request):
        responses = sys.modules["starlette.responses"].Response
        return _Frame(starlette.Request, responses, "content", "media_type")
    if azure is not None and isinstance(request, azure.HttpRequest):
        return _Frame(azure.HttpRequest, azure.HttpResponse, "body", "mimetype")
    raise TypeError(
        "the request is one of Starlette (or FastAPI) or of azure.functions, "
        f"not {type(request).__module__}.{type(request).__qualname__}; "
        "for others, create_http_management_payload gives the links"
    )


def _origin(request: Any, management: ManagementUrl) -> str:
    """The address of the service that got a request."""
    azure = sys.modules.get("azure.functions")
    if azure is not None and isinstance(request, azure.HttpRequest):
        parts = urlsplit(str(request.url))
        base = f"{parts.scheme}://{parts.netloc}"
    elif hasattr(request, "base_url"):  # Starlette's, FastAPI's and Litestar's have one.
        base = str(request.base_url)
    else:
        raise TypeError(
            "the request is one of Starlette, FastAPI, Litestar or azure.functions, "
            f"not {type(request).__module__}.{type(request).__qualname__}; without a request, "
            "create_http_management_payload(id) gives the links"
        )
    return forwarded(base, request.headers) if management.use_forwarded_host else base


def forwarded(url: str, headers: Mapping[str, str]) -> str:
    """The URL with the scheme and host that the nearest proxy was called by, if it says so."""
    parts = urlsplit(url)
    scheme, host = (
        headers.get(name, "").partition(",")[0].strip()
        for name in ("x-forwarded-proto", "x-forwarded-host")
    )
    scheme = scheme.lower() if scheme.lower() in {"http", "https"} else parts.scheme
    return parts._replace(scheme=scheme, netloc=host or parts.netloc).geturl()
