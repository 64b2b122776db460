"""What the API takes and gives, as JSON Schema: the schemas of its OpenAPI document."""

from typing import Any

from attrs import Factory, frozen

from perdure.actors.identity import INSTANCE_ID_CHARACTERS_MAX
from perdure.actors.status import Status
from perdure.runtime.client.status_document import JSON

Schema = dict[str, Any]

EVENT_STREAM = "text/event-stream"

COMPONENTS: dict[str, Schema] = {}
"""The schemas that have a name."""


@frozen
class Shape:
    """What one answer holds."""

    about: str
    schema: Schema | None = None
    """None for an empty body."""
    media_type: str = JSON
    headers: dict[str, str] = Factory(dict[str, str])
    """What its headers say, by name."""
    optional_headers: dict[str, str] = Factory(dict[str, str])


def _named(name: str, schema: Schema) -> Schema:
    COMPONENTS[name] = schema
    return {"$ref": f"#/components/schemas/{name}"}


def _object(optional: Schema | None = None, /, **required: Schema) -> Schema:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": [*required],
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(kind: str) -> Schema:
    return {"type": [kind, "null"]}


ANYTHING: Schema = {}
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
WHEN: Schema = {"type": "string", "format": "date-time"}
LINK: Schema = {"type": "string", "format": "uri-reference"}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
LABEL: Schema = {"type": "string", "enum": [status.label for status in Status]}

NEW_ID: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": INSTANCE_ID_CHARACTERS_MAX,
    "pattern": r"^(?!@|\.\.?$)[^/\\#?\u0000-\u001f\u007f-\u009f]*$",
}
"""What `checked_instance_id` lets pass."""

ENTITY_NAME: Schema = {"type": "string", "pattern": r"^[^@\u0000-\u001f\u007f-\u009f]+$"}
ENTITY_KEY: Schema = {"type": "string", "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$"}

ERROR = _named(
    "Error",
    _object({"ExceptionMessage": TEXT, "ExceptionType": TEXT, "StackTrace": TEXT}, Message=TEXT),
)

FAILURE_DETAILS = _named(
    "FailureDetails",
    _object(
        errorType=TEXT,
        errorMessage=TEXT,
        stackTrace=_or_null("string"),
        innerFailure={"anyOf": [{"$ref": "#/components/schemas/FailureDetails"}, {"type": "null"}]},
        isNonRetriable=FLAG,
        properties={"type": "object"},
    ),
)

WAITING = _named(
    "Waiting",
    _object(
        {
            "since": WHEN,
            "due": WHEN,
            "taskId": WHOLE,
            "attempt": WHOLE,
            "holder": TEXT,
            "detail": TEXT,
        },
        kind=TEXT,
        name=TEXT,
    ),
)

INSTANCE = _named(
    "InstanceStatus",
    _object(
        {
            "historyEvents": _list({"type": "object"}),
            "tags": TEXTS,
            "version": _or_null("string"),
            "failureDetails": {"anyOf": [FAILURE_DETAILS, {"type": "null"}]},
            "waitingFor": _list(WAITING),
        },
        name=TEXT,
        instanceId=TEXT,
        runtimeStatus=LABEL,
        input=ANYTHING,
        customStatus=ANYTHING,
        output=ANYTHING,
        createdTime=WHEN,
        lastUpdatedTime=WHEN,
    ),
)

LINKS = _named(
    "CheckStatus",
    _object(
        id=TEXT,
        statusQueryGetUri=LINK,
        sendEventPostUri=TEXT,
        terminatePostUri=TEXT,
        purgeHistoryDeleteUri=LINK,
        restartPostUri=LINK,
        suspendPostUri=TEXT,
        resumePostUri=TEXT,
    ),
)

ENTITY = _named(
    "Entity",
    _object({"state": ANYTHING}, entityId=_object(name=TEXT, key=TEXT), lastOperationTime=WHEN),
)

WORKER = _named(
    "Worker",
    _object(
        workerId=TEXT,
        name=TEXT,
        alive=FLAG,
        partitions=_list(COUNT),
        since=WHEN,
        silentSeconds=NUMBER,
        leaseSeconds=NUMBER,
        lag=COUNT,
    ),
)

QUEUE = _named(
    "Queue",
    _object(
        activity=TEXT,
        waiting=COUNT,
        taken=COUNT,
        waitedSeconds=_or_null("number"),
        workers=_list(TEXT),
    ),
)

ORDER = _named(
    "Start",
    _object(
        {
            "instanceId": {"anyOf": [NEW_ID, {"type": "null"}]},
            "input": ANYTHING,
            "version": _or_null("string"),
            "tags": {"anyOf": [TEXTS, {"type": "null"}]},
            "scheduledStartTime": {"anyOf": [WHEN, {"type": "null"}]},
        },
        name=TEXT,
    ),
)

ITEM_OUTCOME = _named(
    "StartOutcome",
    {
        "oneOf": [
            _object(statusCode={"const": 202}, instanceId=TEXT, links=LINKS),
            _object(
                statusCode={"type": "integer", "minimum": 400},
                instanceId=_or_null("string"),
                error=ERROR,
            ),
        ]
    },
)

HISTORY_EVENT = _named(
    "HistoryEvent",
    _object({"instance_id": TEXT}, type=TEXT, at=WHOLE, event=_or_null("object")),
)

POLLING = {"Location": "The URL to ask again.", "Retry-After": "After how many seconds."}
MORE = {"x-ms-continuation-token": "Leads to the next page, as a header of the same request."}

NOTHING = Shape("It is durable, and happens.")
DONE = Shape("It is so.")
CHECK_STATUS = Shape("The links to the instance.", LINKS, headers=POLLING)
OUTPUT = Shape("The output, or the status of one that failed or was terminated.", ANYTHING)
UNFINISHED = Shape("The status of an instance that has not ended.", INSTANCE, headers=POLLING)
ENDED = Shape("The status of an instance that has ended.", INSTANCE)
FAILED = Shape("The status of a failed instance, when asked for.", INSTANCE)
INSTANCE_LIST = Shape("A page of instances.", _list(INSTANCE), optional_headers=MORE)
PURGED = Shape("How many instances are deleted.", _object(instancesDeleted=COUNT))
STATE = Shape("The state.", ANYTHING)
ENTITY_LIST = Shape("A page of entities.", _list(ENTITY), optional_headers=MORE)
WORKER_LIST = Shape("All workers, by name and id.", _list(WORKER))
QUEUE_LIST = Shape("The shared activities that wait or run, by name.", _list(QUEUE))
COUNTS = Shape(
    "How many there are.",
    _object(total=COUNT, runtimeStatus=_object(**{s.label: COUNT for s in Status})),
)
ORDERS_MAX = 1_000
ORDERS = Shape("What to start.", _list(ORDER) | {"maxItems": ORDERS_MAX})
ALL_STARTED = Shape("All are started.", _list(ITEM_OUTCOME))
SOME_STARTED = Shape("Not all are started; each outcome says.", _list(ITEM_OUTCOME))
HISTORY = Shape("All events, for `perdure.testing.replay` too.", _list(HISTORY_EVENT))
STREAM = Shape("Server-sent events: `history`, `status` and `end`.", TEXT, EVENT_STREAM)
STREAM_ENDED = Shape("All was told: do not connect again.")
DOCUMENT = Shape("An OpenAPI document.", {"type": "object", "required": ["openapi", "paths"]})
REFUSED = Shape("Why not.", ERROR)
INPUT = Shape("The input.", ANYTHING)
