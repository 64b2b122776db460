"""Looking at orchestrations, and deleting what has ended."""

from collections.abc import Iterable

from starlette.responses import Response

from perdure.actors.errors import (
    EntityOperationFailedError,
    InstanceNotFoundError,
    InstanceStateError,
)
from perdure.actors.identity import EntityId, is_entity
from perdure.actors.status import TERMINAL, Status
from perdure.runtime.client.client import PAGE_SIZE, Client
from perdure.runtime.client.control import Reuse
from perdure.runtime.client.views import InstanceStatus

from .answers import (
    ACCEPTED,
    CONTINUATION_TOKEN,
    OK,
    POLL_AFTER_SECONDS,
    json_answer,
    page_headers,
)
from .call import Call
from .endpoint import Endpoint
from .filters import CREATED_TO, FILTERS, ID_PREFIX, OWN, filters, own_filters
from .history_document import history_document
from .instance_document import SHOWN, instance_document
from .keys import Access
from .parameters import flag, point_in_time, statuses, whole, words
from .refusal import (
    BAD_REQUEST,
    FAILURE,
    NOT_FOUND,
    PRECONDITION_FAILED,
    UNAVAILABLE,
    Refusal,
)
from .shapes import ENDED, FAILED, INSTANCE_LIST, PURGED, UNFINISHED

PAGE_SIZE_MAX = 1_000
ENTITY_PATIENCE_SECONDS = 10.0

SHOW_INPUT = flag("showInput", "Whether inputs are shown.", default=True)
SHOW_HISTORY = flag("showHistory", "Whether the history is shown.")
SHOW_HISTORY_OUTPUT = flag("showHistoryOutput", "Whether the history shows results.")
SHOW = words("show", "What else to show of an instance.", SHOWN)
ERROR_ON_FAILURE = flag(
    "returnInternalServerErrorOnFailure", "Whether a failed instance is answered by 500."
)
TOP = whole(
    "top",
    f"How many at most; {PAGE_SIZE_MAX} is the most that one page has.",
    default=PAGE_SIZE,
    least=1,
)
PURGED_FROM = point_in_time("createdTimeFrom", "Only those created then or later.", required=True)
PURGED_STATUS = statuses(
    "runtimeStatus",
    "Only those in one of these statuses, in which they have ended.",
    strict=True,
    sensible=TERMINAL,
)


async def get_instance(call: Call) -> Response:
    """The status of an instance; 202 while it has not ended."""
    show_history, show = SHOW_HISTORY.read(call.query), SHOW.read(call.query)
    show_input, show_output = SHOW_INPUT.read(call.query), SHOW_HISTORY_OUTPUT.read(call.query)
    error_on_failure = ERROR_ON_FAILURE.read(call.query)
    instance_id = call.path["instanceId"]
    status = await call.client().get_status(
        instance_id,
        show_input=show_input,
        show_history=show_history,
        show_waiting="waitingFor" in show,
    )
    if status is None:
        raise InstanceNotFoundError(instance_id)
    stacks = call.service.show_stacks
    document = instance_document(status, show, show_stacks=stacks)
    if show_history:
        document["historyEvents"] = history_document(
            status.history or [], show_input=show_input, show_output=show_output, show_stacks=stacks
        )
    if status.is_running:
        headers = {"Location": call.url, "Retry-After": str(POLL_AFTER_SECONDS)}
        return json_answer(document, ACCEPTED, headers)
    failed = status.runtime_status is Status.FAILED and error_on_failure
    return json_answer(document, FAILURE if failed else OK)


async def list_instances(call: Call) -> Response:
    """Orchestrations by creation, a page at a time; the header of one page leads to the next."""
    query = call.query
    show_input, show = SHOW_INPUT.read(query), SHOW.read(query)
    wanted, size = filters(query), min(TOP.read(query), PAGE_SIZE_MAX)
    token = CONTINUATION_TOKEN.read(call.headers)
    client = call.client()
    page = await client.query(**wanted, page_size=size, continuation_token=token)
    found: Iterable[InstanceStatus] = page.instances
    if "waitingFor" in show:
        found = [await _with_waiting(client, status) for status in page.instances]
    documents = [
        instance_document(status, show, show_stacks=call.service.show_stacks, show_input=show_input)
        for status in found
    ]
    return json_answer(documents, OK, page_headers(page.continuation_token))


async def _with_waiting(client: Client, status: InstanceStatus) -> InstanceStatus:
    if status.is_running:
        known = await client.get_status(status.instance_id, show_waiting=True)
        status.waiting_for = known.waiting_for if known is not None else None
    return status


async def purge_instance(call: Call) -> Response:
    """Delete an instance that has ended, with its history; an entity at any time."""
    instance_id, client = call.path["instanceId"], call.client()
    if is_entity(instance_id):
        await _delete_entity(client, EntityId.parse(instance_id))
        return json_answer({"instancesDeleted": 1})
    try:
        purged = await client.purge(instance_id)
    except InstanceStateError as error:
        raise Refusal(PRECONDITION_FAILED, str(error)) from error
    if not purged.deleted_instance_count:
        raise InstanceNotFoundError(instance_id)
    return json_answer({"instancesDeleted": purged.deleted_instance_count})


async def _delete_entity(client: Client, entity_id: EntityId) -> None:
    if await client.get_entity(entity_id) is None:
        raise InstanceNotFoundError(str(entity_id))
    try:
        await client.entity(entity_id).call("delete", timeout=ENTITY_PATIENCE_SECONDS)
    except EntityOperationFailedError as error:
        raise Refusal(
            PRECONDITION_FAILED, f"{entity_id} was not deleted: {error.details}"
        ) from error
    except TimeoutError as error:
        raise Refusal(
            UNAVAILABLE, f"{entity_id} is busy or locked; it is deleted as soon as it is not"
        ) from error
    left = await client.get_entity(entity_id)
    if left is not None and left.exists:
        raise Refusal(
            PRECONDITION_FAILED, f"{entity_id} still exists: its operation 'delete' keeps the state"
        )


async def purge_instances(call: Call) -> Response:
    """Delete all matching instances that have ended."""
    query = call.query
    created_from, created_to = PURGED_FROM.read(query), CREATED_TO.read(query)
    purged = await call.client().purge_by(
        created_from=created_from,
        created_to=created_to,
        statuses=PURGED_STATUS.read(query) or Reuse.NON_RUNNING,
        instance_id_prefix=ID_PREFIX.read(query) or "",
        **own_filters(query),
    )
    if not purged.deleted_instance_count:
        raise Refusal(NOT_FOUND, "no instance matches")
    return json_answer({"instancesDeleted": purged.deleted_instance_count})


INSTANCES = [
    Endpoint(
        "GET",
        "/instances",
        list_instances,
        (OK, BAD_REQUEST),
        (*FILTERS, SHOW_INPUT, TOP, SHOW),
        access=Access.READ,
        headers=(CONTINUATION_TOKEN,),
        shows={OK: INSTANCE_LIST},
    ),
    Endpoint(
        "DELETE",
        "/instances",
        purge_instances,
        (OK, BAD_REQUEST, NOT_FOUND),
        (PURGED_FROM, CREATED_TO, PURGED_STATUS, ID_PREFIX, *OWN),
        shows={OK: PURGED},
    ),
    Endpoint(
        "GET",
        "/instances/{instanceId}",
        get_instance,
        (OK, ACCEPTED, BAD_REQUEST, NOT_FOUND, FAILURE),
        (SHOW_INPUT, SHOW_HISTORY, SHOW_HISTORY_OUTPUT, ERROR_ON_FAILURE, SHOW),
        access=Access.READ,
        shows={OK: ENDED, ACCEPTED: UNFINISHED, FAILURE: FAILED},
    ),
    Endpoint(
        "DELETE",
        "/instances/{instanceId}",
        purge_instance,
        (OK, BAD_REQUEST, NOT_FOUND, PRECONDITION_FAILED),
        shows={OK: PURGED},
    ),
]
