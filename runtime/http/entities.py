"""Entities: their state, and signals to them."""

from typing import Any

from starlette.responses import Response

from perdure.actors.errors import InstanceNotFoundError
from perdure.actors.identity import EntityId
from perdure.runtime.client.status_document import timestamp
from perdure.runtime.client.views import EntityState

from .answers import ACCEPTED, CONTINUATION_TOKEN, OK, accepted, json_answer, page_headers
from .call import Call
from .endpoint import Endpoint
from .inputs import json_or_text_body, operation_arguments
from .instances import PAGE_SIZE_MAX, TOP
from .keys import Access
from .parameters import flag, point_in_time, text
from .refusal import BAD_REQUEST, NOT_FOUND
from .shapes import ENTITY_LIST, NOTHING, STATE

EMPTY_KEY = "$"
"""Stands for the empty key, which a URL cannot have."""

CHANGED_FROM = point_in_time("lastOperationTimeFrom", "Only those changed then or later.")
CHANGED_TO = point_in_time("lastOperationTimeTo", "Only those changed then or earlier.")
KEY_PREFIX = text("keyPrefix", "Only those whose key begins like this. Perdure's own.")
FETCH_STATE = flag("fetchState", "Whether states are shown.")
OPERATION = text("op", "The operation.")


def _entity_id(call: Call) -> EntityId:
    key = call.path["entityKey"]
    return EntityId(call.path["entityName"], "" if key == EMPTY_KEY else key)


async def get_entity(call: Call) -> Response:
    """The state of an entity as of its last commit."""
    entity_id = _entity_id(call)
    known = await call.client().get_entity(entity_id)
    if known is None or not known.exists:
        raise InstanceNotFoundError(str(entity_id))
    return json_answer(known.state)


async def list_entities(call: Call) -> Response:
    """Entities that have a state, by name and key, a page at a time."""
    name = call.path.get("entityName", "")
    show_state = FETCH_STATE.read(call.query)
    filters: dict[str, Any] = {
        "name": EntityId(name, "").name if name else "",
        "key_prefix": (KEY_PREFIX.read(call.query) or "") if name else "",
        "last_modified_from": CHANGED_FROM.read(call.query),
        "last_modified_to": CHANGED_TO.read(call.query),
        "include_state": show_state,
        "page_size": min(TOP.read(call.query), PAGE_SIZE_MAX),
        "continuation_token": CONTINUATION_TOKEN.read(call.headers),
    }
    page = await call.client().query_entities(**filters)
    documents = [_document(entity, show_state=show_state) for entity in page.entities]
    return json_answer(documents, OK, page_headers(page.continuation_token))


def _document(entity: EntityState, *, show_state: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "entityId": {"name": entity.id.name, "key": entity.id.key},
        "lastOperationTime": timestamp(entity.last_modified_time),
    }
    return document | ({"state": entity.state} if show_state else {})


async def signal_entity(call: Call) -> Response:
    """Send an operation to an entity; the body is its input."""
    operation, entity_id = OPERATION.read(call.query) or "", _entity_id(call)
    client = call.client()
    app = client.gateway.app
    value = await json_or_text_body(call, app.codec)
    arguments = operation_arguments(app, entity_id.name, operation, value)
    await client.entity(entity_id).signal(operation, *arguments)
    return accepted()


async def delete_entity(call: Call) -> Response:
    """Signal `delete` to an entity."""
    entity_id = _entity_id(call)
    await call.client().entity(entity_id).signal("delete")
    return accepted()


ONE = "/entities/{entityName}/{entityKey}"

ENTITIES = [
    *(
        Endpoint(
            "GET",
            path,
            list_entities,
            (OK, BAD_REQUEST),
            (CHANGED_FROM, CHANGED_TO, FETCH_STATE, TOP, *more),
            access=Access.READ,
            headers=(CONTINUATION_TOKEN,),
            shows={OK: ENTITY_LIST},
        )
        for path, more in (("/entities", ()), ("/entities/{entityName}", (KEY_PREFIX,)))
    ),
    Endpoint(
        "GET",
        ONE,
        get_entity,
        (OK, BAD_REQUEST, NOT_FOUND),
        access=Access.READ,
        shows={OK: STATE},
    ),
    Endpoint(
        "POST",
        ONE,
        signal_entity,
        (ACCEPTED, BAD_REQUEST),
        (OPERATION,),
        body="json or text",
        shows={ACCEPTED: NOTHING},
    ),
    Endpoint("DELETE", ONE, delete_entity, (ACCEPTED, BAD_REQUEST), shows={ACCEPTED: NOTHING}),
]
