"""A service's HTTP management API as target."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote, urlsplit

import httpx

from perdure.actors.errors import InstanceNotFoundError
from perdure.actors.identity import EntityId
from perdure.actors.status import TERMINAL, Status
from perdure.runtime.client.management import MANAGEMENT_PATH
from perdure.runtime.client.views import (
    EntityPage,
    EntityState,
    InstancePage,
    InstanceStatus,
    QueueStatus,
    WorkerStatus,
)

from .documents import UNKNOWN_TIME, timestamp
from .ending import CONFLICT, FAILED, NOT_FOUND, USAGE, CommandError
from .received import entity_state, history_events, instance_status, queue_status, worker_status
from .target import Filters, NotOverHttpError, Order, Purged, Target

_SHOW = "tags,version,failureDetails"
_TOKEN = "x-ms-continuation-token"  # noqa: S105 - the name of a header
_PATIENCE_SECONDS = 30.0
_EMPTY_KEY = "$"
_REFERENCE = {
    ("GET", "/instances"): {
        "runtimeStatus",
        "instanceIdPrefix",
        "createdTimeFrom",
        "createdTimeTo",
    },
    ("GET", "/counts"): {"runtimeStatus", "instanceIdPrefix", "createdTimeFrom", "createdTimeTo"},
    ("DELETE", "/instances"): {"runtimeStatus", "createdTimeFrom", "createdTimeTo"},
    ("GET", "/entities/{entityName}"): set[str](),
}
"""Parameters that every service with this API knows."""
_BEGINNING = "0001-01-01T00:00:00Z"
_CODES = {404: NOT_FOUND, 409: CONFLICT, 410: CONFLICT, 412: CONFLICT, 400: USAGE, 413: USAGE}


@asynccontextmanager
async def remote(url: str, key: str | None) -> AsyncGenerator[Target]:
    """The API at that address; a bare host is completed by the usual path."""
    base = _base(url)
    headers = {"x-functions-key": key} if key else {}
    timeout = httpx.Timeout(_PATIENCE_SECONDS)
    async with httpx.AsyncClient(headers=headers, timeout=timeout) as http:
        yield HttpTarget(base, http)


def _base(url: str) -> str:
    try:
        address = httpx.URL(url)
        usable = address.scheme in {"http", "https"} and bool(address.host)
        bare = urlsplit(url).path in {"", "/"}
    except (ValueError, httpx.InvalidURL):
        usable = bare = False
    if not usable:
        raise CommandError(f"{url!r} is no URL: write http://host:port", USAGE)
    return url.rstrip("/") + (MANAGEMENT_PATH if bare else "")


class HttpTarget:
    """See the module's docstring."""

    def __init__(self, base: str, http: httpx.AsyncClient) -> None:
        self._base = base
        self._http = http

    @property
    def place(self) -> str:
        """The URL."""
        return self._base

    async def absence(self) -> str | None:
        """Whoever answers runs."""
        return None

    async def workers(self) -> list[WorkerStatus]:
        """Who shares the hub of the service."""
        answer = await self._send("GET", "/workers")
        if answer.status_code == HTTPStatus.NOT_FOUND and _message(_json(answer)) is not None:
            # It is an API of this kind, of an older Perdure.
            raise NotOverHttpError("list workers there")
        self._check(answer)
        return [worker_status(document) for document in answer.json()]

    async def queues(self) -> list[QueueStatus]:
        """What waits in the hub of the service; an older one has no such thing."""
        answer = await self._send("GET", "/queues")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return []
        self._check(answer)
        return [queue_status(document) for document in answer.json()]

    async def owner(self) -> str | None:
        """The API does not tell."""
        return None

    async def start(self, order: Order) -> str:
        """Start an orchestration; returns its id."""
        item: dict[str, Any] = {"name": order.name}
        if order.given:
            item["input"] = order.input
        item |= {
            "instanceId": order.instance_id,
            "version": order.version,
            "tags": order.tags,
            "scheduledStartTime": timestamp(order.start_at),
        }
        (outcome,) = (await self._ask("POST", "/orchestrators", json=[item])).json()
        if "error" in outcome:
            raise _refusal(outcome["statusCode"], outcome["error"], self._base)
        return str(outcome["instanceId"])

    async def status(
        self, instance_id: str, *, history: bool = False, waiting: bool = False
    ) -> InstanceStatus:
        """What is known of an instance."""
        _check_orchestration(instance_id)
        path = _instance(instance_id)
        show = f"{_SHOW},waitingFor" if waiting else _SHOW
        answer = await self._ask("GET", path, instance_id, params={"show": show})
        found = instance_status(answer.json())
        if history:
            events = await self._ask("GET", f"{path}/history", instance_id)
            found.history = history_events(events.json())
        return found

    async def changes(self, instance_id: str) -> AsyncIterator[None]:
        """Tell of changes: the API's stream is a bell."""
        _check_orchestration(instance_id)
        url = self._base + _instance(instance_id) + "/events"
        try:
            async with self._http.stream("GET", url, timeout=None) as answer:
                if answer.is_error:
                    await answer.aread()
                self._check(answer, instance_id)
                async for line in answer.aiter_lines():
                    if line.startswith("event: "):
                        yield
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def page(self, filters: Filters, size: int, token: str | None) -> InstancePage:
        """Matching orchestrations by creation."""
        headers = {_TOKEN: token} if token is not None else {}
        wanted = await self._understood("GET", "/instances", _params(filters))
        params = {**wanted, "show": _SHOW, "top": str(size)}
        answer = await self._ask("GET", "/instances", params=params, headers=headers)
        found = [instance_status(document) for document in answer.json()]
        return InstancePage(found, answer.headers.get(_TOKEN))

    async def count(self, filters: Filters) -> dict[Status, int]:
        """How many match, by status."""
        params = await self._understood("GET", "/counts", _params(filters))
        answer = await self._ask("GET", "/counts", params=params)
        counts: dict[str, int] = answer.json()["runtimeStatus"]
        return {status: counts[status.label] for status in Status if counts.get(status.label)}

    async def raise_event(self, instance_id: str, name: str, data: Any) -> None:
        """Raise an external event."""
        path = f"/raiseEvent/{quote(name, safe='')}"
        # Not `json=`: for None httpx sends neither a body nor a content type.
        content, headers = json.dumps(data), {"content-type": "application/json"}
        await self._steer(instance_id, path, content=content, headers=headers)

    async def terminate(self, instance_id: str, reason: str | None, *, recursive: bool) -> None:
        """End an instance."""
        if recursive:
            raise NotOverHttpError("terminate children too")
        await self._steer(instance_id, "/terminate", params=_reason(reason))

    async def suspend(self, instance_id: str, reason: str | None) -> None:
        """Let nothing reach an instance's code."""
        await self._steer(instance_id, "/suspend", params=_reason(reason))

    async def resume(self, instance_id: str, reason: str | None) -> None:
        """Go on."""
        await self._steer(instance_id, "/resume", params=_reason(reason))

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        """Let a failed instance do its failed work again."""
        await self._steer(instance_id, "/rewind", params=_reason(reason))

    async def restart(self, instance_id: str, *, same_id: bool) -> str:
        """Start an orchestration again; returns its id."""
        # The API says 400 for an instance that is not there, as for everything else.
        await self.status(instance_id)
        params = {"restartWithNewInstanceId": "false" if same_id else "true"}
        answer = await self._steer(instance_id, "/restart", params=params)
        return str(answer.json()["id"])

    async def purge(self, instance_id: str, *, recursive: bool) -> int:
        """Delete an instance that has ended."""
        if recursive:
            raise NotOverHttpError("purge children too")
        _check_orchestration(instance_id)
        answer = await self._ask("DELETE", _instance(instance_id), instance_id)
        return int(answer.json()["instancesDeleted"])

    async def purge_by(self, filters: Filters, purged: Purged) -> int:
        """Delete all matching instances that have ended, by one call."""
        params = await self._understood("DELETE", "/instances", _params(filters))
        params.setdefault("createdTimeFrom", _BEGINNING)
        params.setdefault("runtimeStatus", ",".join(status.label for status in TERMINAL))
        answer = await self._send("DELETE", "/instances", params=params, timeout=None)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return 0
        self._check(answer)
        count = int(answer.json()["instancesDeleted"])
        purged(count)
        return count

    async def signal(
        self, entity_id: EntityId, operation: str, given: list[Any], at: datetime | None
    ) -> None:
        """Send an operation to an entity."""
        if at is not None:
            raise NotOverHttpError("signal at a later time")
        body = {"json": given[0]} if given else {}
        await self._ask("POST", _entity(entity_id), params={"op": operation}, **body)

    async def entity(self, entity_id: EntityId) -> EntityState:
        """The state of an entity, all that the API tells of one."""
        answer = await self._ask("GET", _entity(entity_id), str(entity_id))
        return EntityState(entity_id, UNKNOWN_TIME, True, answer.json(), None)

    async def entities(
        self, name: str, prefix: str, *, states: bool, size: int, token: str | None
    ) -> EntityPage:
        """Entities by name and key."""
        if prefix and not name:
            raise CommandError("--prefix is that of keys: give --name of the entity too", USAGE)
        path = f"/entities/{quote(name, safe='')}" if name else "/entities"
        wanted = {"keyPrefix": prefix} if prefix else {}
        wanted = await self._understood("GET", "/entities/{entityName}", wanted)
        params = wanted | {"fetchState": "true" if states else "false", "top": str(size)}
        headers = {_TOKEN: token} if token is not None else {}
        answer = await self._ask("GET", path, params=params, headers=headers)
        found = [entity_state(document) for document in answer.json()]
        return EntityPage(found, answer.headers.get(_TOKEN))

    async def clean_entities(self) -> int:
        """The API does not offer it."""
        raise NotOverHttpError("release locks")

    async def _understood(self, method: str, path: str, params: dict[str, Any]) -> dict[str, Any]:
        """The parameters, if the service knows them: another would pass over our own.

        It would list, and delete, what was not asked for.
        """
        if not params.keys() - _REFERENCE[method, path]:
            return params
        answer = await self._send("GET", "/openapi.json")
        known: set[str] = set()
        if not answer.is_error:
            operation = answer.json()["paths"].get(path, {}).get(method.lower(), {})
            known = {parameter["name"] for parameter in operation.get("parameters", ())}
        if unknown := params.keys() - known:
            raise NotOverHttpError(f"filter by {', '.join(sorted(unknown))} there")
        return params

    async def _steer(self, instance_id: str, path: str, **options: Any) -> httpx.Response:
        _check_orchestration(instance_id)
        return await self._ask("POST", _instance(instance_id) + path, instance_id, **options)

    async def _ask(
        self, method: str, path: str, instance_id: str | None = None, **options: Any
    ) -> httpx.Response:
        answer = await self._send(method, path, **options)
        self._check(answer, instance_id)
        return answer

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, self._base + path, **options)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _check(self, answer: httpx.Response, instance_id: str | None = None) -> None:
        if not answer.is_error and not answer.has_redirect_location:
            return
        document = _json(answer)
        there = _message(document) is not None
        if answer.status_code == HTTPStatus.NOT_FOUND and there and instance_id is not None:
            raise InstanceNotFoundError(instance_id)
        raise _refusal(answer.status_code, document, self._base)

    def _unreachable(self, error: httpx.HTTPError) -> CommandError:
        return CommandError(
            f"cannot reach {self._base} ({error or type(error).__name__}): "
            "is the service running, and --url right?"
        )


def _refusal(code: int, document: Any, base: str) -> CommandError:
    if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return CommandError(f"{base} wants a key that allows this: give --key or PERDURE_KEY")
    message = _message(document)
    if message is None:
        return CommandError(
            f"{base} is no management API (it answers {code}): give --url with its whole path"
        )
    return CommandError(message, _CODES.get(code, FAILED))


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _message(document: Any) -> str | None:
    """What the API says; None when it was not the API that answered."""
    if isinstance(document, dict) and "Message" in document:
        return str(cast("dict[str, Any]", document)["Message"])
    return None


def _check_orchestration(instance_id: str) -> None:
    """The API has entities elsewhere; and an empty id, or dots, would be another path."""
    if instance_id.startswith("@") or not instance_id.strip("."):
        raise InstanceNotFoundError(instance_id)


def _instance(instance_id: str) -> str:
    return f"/instances/{quote(instance_id, safe='')}"


def _entity(entity_id: EntityId) -> str:
    key = quote(entity_id.key, safe="") or _EMPTY_KEY
    return f"/entities/{quote(entity_id.name, safe='')}/{key}"


def _reason(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"reason": reason}


def _params(filters: Filters) -> dict[str, Any]:
    if filters.version == "":
        raise NotOverHttpError("tell which have no version")
    params = {
        "runtimeStatus": ",".join(sorted(status.label for status in filters.statuses)),
        "instanceIdPrefix": filters.prefix,
        "createdTimeFrom": timestamp(filters.created_from),
        "createdTimeTo": timestamp(filters.created_to),
        "completedTimeFrom": timestamp(filters.completed_from),
        "completedTimeTo": timestamp(filters.completed_to),
        "parentInstanceId": filters.parent,
        "version": filters.version,
        "name": sorted(filters.names),
        "tag": [f"{key}={value}" for key, value in (filters.tags or {}).items()],
    }
    return {name: value for name, value in params.items() if value}
