"""An HTTP call of an orchestration: the request, and the polls that a 202 asks for.

Each request is an activity with an id of its own, each pause between polls a durable timer. The
first request is asked for at the call; a fiber beside the caller follows the answers.
"""

from collections.abc import Mapping
from typing import Any

from .codec import Codec
from .durable_http import (
    HTTP_ACTIVITY,
    DurableHttpRequest,
    DurableHttpResponse,
    HttpRetryPolicy,
    poll_delay,
    poll_of,
)
from .history import TaskScheduled
from .kernel import Fiber
from .moments import MICROSECOND, moment
from .replay import Execution
from .retry import RetryPolicy
from .tasks import Task


class Exchange:
    """One call, from its request to the answer that counts."""

    def __init__(
        self, execution: Execution, request: DurableHttpRequest, retry: RetryPolicy | None
    ) -> None:
        self._execution = execution
        self._retry = retry
        self._request = request
        self._response = self._send(request)
        self._waits_for: Task[Any] = self._response

    def begin(self) -> Task[DurableHttpResponse]:
        """The task of the answer."""
        if not self._request.asynchronous_pattern:
            return self._response
        name = self._response.name
        answer: Task[DurableHttpResponse] = Task(self._execution.kernel, name)
        answer.on_cancel(self._give_up)

        def ended(_: Fiber, value: Any, error: BaseException | None) -> None:
            if error is None:
                answer.resolve(value)
            else:
                answer.fail(error)

        self._execution.kernel.spawn(self._follow(), name, ended)
        return answer

    def _give_up(self) -> None:
        self._waits_for.cancel()

    async def _follow(self) -> DurableHttpResponse:
        while True:
            response = await self._response
            poll = poll_of(self._request, response)
            if poll is None:
                return response
            pause = self._waits_for = self._pause(response)
            await pause
            self._request = poll
            self._response = self._waits_for = self._send(poll)

    def _send(self, request: DurableHttpRequest) -> Task[DurableHttpResponse]:
        execution = self._execution
        codec, number = execution.codec, execution.next_id()
        what = f"{request.method} {request.uri.partition('?')[0]}"
        event = TaskScheduled(
            execution.now,
            number,
            HTTP_ACTIVITY,
            None,
            codec.write(request.to_json(), f"request {what}"),
            {},
            timeout=request.timeout,
        )

        def read(payload: Any) -> DurableHttpResponse:
            return DurableHttpResponse.from_json(codec.read(payload, Any, f"response of {what}"))

        return execution.open_work(event, self._retry, read)

    def _pause(self, response: DurableHttpResponse) -> Task[None]:
        execution = self._execution
        usual = execution.app.http_poll_interval
        delay = poll_delay(response, moment(execution.now), usual)
        pause: Task[None] = Task(execution.kernel, "timer")
        timer = execution.open_timer(
            execution.now + delay // MICROSECOND, lambda: pause.resolve(None)
        )
        pause.on_cancel(timer.cancel)
        return pause


def written(
    codec: Codec, content: object, headers: Mapping[str, str]
) -> tuple[dict[str, str], str | None]:
    """The headers and the body for this content: a text as it is, another value as JSON."""
    if content is None:
        return dict(headers), None
    is_text = isinstance(content, str)
    body = content if isinstance(content, str) else codec.write(content, "content of call_http")
    if any(name.casefold() == "content-type" for name in headers):
        return dict(headers), body
    return {"Content-Type": "text/plain" if is_text else "application/json", **headers}, body


def failing_statuses(retry: RetryPolicy | None) -> tuple[int, ...] | None:
    """Which statuses make an attempt fail under this policy; see `DurableHttpRequest`."""
    if retry is None:
        return None
    return retry.status_codes if isinstance(retry, HttpRetryPolicy) else ()
