"""Starting many orchestrations by one call: each item has an outcome of its own."""

from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, cast

import anyio
from attrs import frozen
from starlette.responses import Response

from perdure.actors.codec import checked_text
from perdure.actors.errors import PayloadError
from perdure.runtime.client.client import Client
from perdure.runtime.client.management import check_status_links

from .answers import ACCEPTED, json_answer
from .call import Call
from .endpoint import Endpoint
from .inputs import NOTHING, json_body, orchestration_arguments
from .parameters import point_in_time
from .refusal import BAD_REQUEST, CONFLICT, Refusal, refuse
from .shapes import ALL_STARTED, ORDERS, ORDERS_MAX, SOME_STARTED

MIXED = 207

FIELDS = ("name", "instanceId", "input", "version", "tags", "scheduledStartTime")
START_TIME = point_in_time("scheduledStartTime", "Not before that time.", noun="field")

Outcome = dict[str, Any]


@frozen
class Order:
    """One orchestration to start."""

    name: str
    instance_id: str | None
    input: Any
    version: str | None
    tags: dict[str, str] | None
    start_at: datetime | None

    @classmethod
    def read(cls, item: Any) -> "Order":
        """What an item asks for; raises `Refusal`."""
        if not isinstance(item, dict):
            raise Refusal(BAD_REQUEST, 'an item is an object, such as {"name": "...", "input": 1}')
        document = cast("dict[str, Any]", item)
        for field in document:
            if field not in FIELDS:
                raise Refusal(BAD_REQUEST, f"an item has no {field!r}; it has {', '.join(FIELDS)}")
        name, start = _text(document, "name"), _text(document, "scheduledStartTime")
        if not name:
            raise Refusal(BAD_REQUEST, "an item has the name of an orchestration")
        return cls(
            name,
            _text(document, "instanceId"),
            document.get("input", NOTHING),
            _text(document, "version"),
            _tags(document),
            START_TIME.read({} if start is None else {START_TIME.name.lower(): [start]}),
        )


def _text(document: dict[str, Any], field: str) -> str | None:
    value = document.get(field)
    if value is not None and not isinstance(value, str):
        raise Refusal(BAD_REQUEST, f"{field} is a text, not {value!r:.80}")
    return None if value is None else checked_text(value, field)


def _tags(document: dict[str, Any]) -> dict[str, str] | None:
    tags: Any = document.get("tags")
    if tags is None:
        return None
    if not isinstance(tags, dict) or not all(
        isinstance(value, str) for value in cast("dict[str, Any]", tags).values()
    ):
        raise Refusal(BAD_REQUEST, f"tags are an object of texts, not {tags!r:.80}")
    return cast("dict[str, str]", tags)


async def start_many(call: Call) -> Response:
    """Start up to a thousand orchestrations; answers with an outcome for each, in their order."""
    client = call.client()
    items = _checked(await json_body(call, client.gateway.app.codec))
    outcomes: list[Outcome] = [{} for _ in items]
    taken: set[str] = set()
    async with anyio.create_task_group() as group:
        for place, item in enumerate(items):
            try:
                order = _once(Order.read(item), taken)
            except Exception as error:  # noqa: BLE001 - every item has an outcome
                outcomes[place] = _refused(call, _named_id(item), error)
            else:
                # Beside each other, so that one commit makes them all durable.
                group.start_soon(partial(_start, call, client, order, outcomes[place]))
    all_started = all(outcome["statusCode"] == ACCEPTED for outcome in outcomes)
    return json_answer(outcomes, ACCEPTED if all_started else MIXED)


def _checked(items: Any) -> list[Any]:
    if items.__class__ is not list:
        raise Refusal(BAD_REQUEST, "the body is an array with an item for each orchestration")
    if len(items) > ORDERS_MAX:
        raise Refusal(BAD_REQUEST, f"one call starts at most {ORDERS_MAX}, not {len(items)}")
    return items


def _once(order: Order, taken: set[str]) -> Order:
    """Of items with the same id the first is meant."""
    if order.instance_id is not None:
        if order.instance_id in taken:
            raise Refusal(CONFLICT, f"instance {order.instance_id!r} stands twice in this call")
        taken.add(order.instance_id)
    return order


async def _start(call: Call, client: Client, order: Order, outcome: Outcome) -> None:
    try:
        arguments = orchestration_arguments(
            client.gateway.app, order.name, order.version, order.input
        )
        instance = await client.start_new(
            order.name,
            *arguments,
            instance_id=order.instance_id,
            version=order.version,
            tags=order.tags,
            start_at=order.start_at,
            reuse=call.service.reuse,
            trace_context=call.trace,
        )
    except Exception as error:  # noqa: BLE001 - every item has an outcome
        outcome |= _refused(call, order.instance_id, error)
    else:
        links = check_status_links(call.links(instance.instance_id))
        outcome |= {"statusCode": ACCEPTED, "instanceId": instance.instance_id, "links": links}


def _named_id(item: Any) -> str | None:
    """The id that a bad item names, if it is one that an answer can hold."""
    named: Any = cast("dict[str, Any]", item).get("instanceId") if isinstance(item, dict) else None
    with suppress(PayloadError):
        return checked_text(named, "instanceId")
    return None


def _refused(call: Call, instance_id: str | None, error: Exception) -> Outcome:
    code, document = refuse(error, show_stacks=call.service.show_stacks)
    return {"statusCode": code, "instanceId": instance_id, "error": document}


STARTING_MANY = [
    Endpoint(
        "POST",
        "/orchestrators",
        start_many,
        (ACCEPTED, MIXED, BAD_REQUEST),
        body="json",
        takes=ORDERS,
        shows={ACCEPTED: ALL_STARTED, MIXED: SOME_STARTED},
    )
]
