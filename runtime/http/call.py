"""One call of the API: what was sent, whom it is for, and what the answers need to know."""

from collections.abc import Collection, Mapping
from contextlib import aclosing

from attrs import field, frozen
from starlette.requests import Request

from perdure.actors.status import Status
from perdure.actors.trace import TraceContext
from perdure.runtime.client.client import Client
from perdure.runtime.client.management import ManagementUrl

from .address import Address
from .hubs import Directory
from .keys import Keys
from .parameters import Query, text
from .refusal import TOO_LARGE, Refusal

TASK_HUB = text("taskHub", "The task hub; the first one is meant when this is left out.")
CONNECTION = text("connection", "The connection of the task hub.")
CONNECTION_NAME = text("connectionName", "The same as `connection`.")
CODE = text("code", "The key; the header `x-functions-key` may hold it instead.")
COMMON = (TASK_HUB, CONNECTION, CONNECTION_NAME, CODE)
"""What every endpoint understands."""


@frozen(kw_only=True)
class Service:
    """How one management API was set up; see `management_app`."""

    directory: Directory
    keys: Keys | None
    unguarded: bool
    use_forwarded_host: bool
    body_bytes_max: int
    show_stacks: bool
    reuse: Collection[Status]
    url: str | None
    nested_json: bool
    heartbeat_seconds: float


@frozen
class Call:
    """What an endpoint answers."""

    request: Request
    service: Service
    address: Address
    query: Query
    path: Mapping[str, str]
    """The segments that stand in the place of the names in the endpoint's path."""
    key: str | None = field(repr=False)
    """The key that let the caller in."""

    def client(self) -> Client:
        """The client of the hub that is meant; raises `Refusal` when there is no such hub."""
        return self.service.directory.client(*self._hub())

    def _hub(self) -> tuple[str | None, str | None]:
        connection = CONNECTION.read(self.query) or CONNECTION_NAME.read(self.query)
        return TASK_HUB.read(self.query), connection

    def links(self, instance_id: str) -> dict[str, str]:
        """The links to an instance. They hold the key that this caller has shown, and no other."""
        hub, connection = self.service.directory.names(*self._hub())
        here = ManagementUrl(
            url=self.address.base, task_hub=hub, connection=connection, code=self.key
        )
        return here.links(instance_id)

    @property
    def headers(self) -> Query:
        """The headers, for parameters that stand there."""
        return {name: [value] for name, value in self.request.headers.items() if value}

    @property
    def trace(self) -> TraceContext | None:
        """What has caused it, by the headers of W3C Trace Context."""
        return TraceContext.from_headers(self.request.headers)

    @property
    def url(self) -> str:
        """This call's own URL, as the caller can repeat it."""
        query = self.request.scope["query_string"].decode("latin-1")
        return self.address.base + self.address.tail + (f"?{query}" if query else "")

    async def body(self) -> bytes:
        """What was sent; raises `Refusal` as soon as it is more than is taken."""
        received = bytearray()
        async with aclosing(self.request.stream()) as chunks:
            async for chunk in chunks:
                received += chunk
                if len(received) > self.service.body_bytes_max:
                    raise too_large(self.service.body_bytes_max)
        return bytes(received)


def too_large(size_max: int) -> Refusal:
    """The answer to a body of more than `size_max` bytes."""
    return Refusal(TOO_LARGE, f"a body has at most {size_max} bytes here")
