"""Which orchestrations a call is about: the reference's parameters, and more of our own."""

from typing import Any

from .parameters import Query, point_in_time, statuses, text, texts_by_name, various

CREATED_FROM = point_in_time("createdTimeFrom", "Only those created then or later.")
CREATED_TO = point_in_time("createdTimeTo", "Only those created then or earlier.")
RUNTIME_STATUS = statuses("runtimeStatus", "Only those in one of these statuses.")
ID_PREFIX = text("instanceIdPrefix", "Only those whose id begins like this.")

NAMES = various("name", "Only of this orchestration; may be repeated. Perdure's own.")
TAGS = texts_by_name(
    "tag", "Only with this tag, key=value; may be repeated, and then all count. Perdure's own."
)
PARENT = text("parentInstanceId", "Only children of this instance. Perdure's own.", once=True)
VERSION = text("version", "Only of this version. Perdure's own.", once=True)
COMPLETED_FROM = point_in_time("completedTimeFrom", "Only ended then or later. Perdure's own.")
COMPLETED_TO = point_in_time("completedTimeTo", "Only ended then or earlier. Perdure's own.")

OWN = (NAMES, TAGS, PARENT, VERSION, COMPLETED_FROM, COMPLETED_TO)
FILTERS = (CREATED_FROM, CREATED_TO, RUNTIME_STATUS, ID_PREFIX, *OWN)


def own_filters(query: Query) -> dict[str, Any]:
    """What our own parameters say, as the client's methods take it."""
    return {
        "names": NAMES.read(query),
        "tags": TAGS.read(query),
        "parent_instance_id": PARENT.read(query),
        "version": VERSION.read(query),
        "completed_from": COMPLETED_FROM.read(query),
        "completed_to": COMPLETED_TO.read(query),
    }


def filters(query: Query) -> dict[str, Any]:
    """What all parameters say, as the client's methods take it."""
    return {
        "created_from": CREATED_FROM.read(query),
        "created_to": CREATED_TO.read(query),
        "statuses": RUNTIME_STATUS.read(query),
        "instance_id_prefix": ID_PREFIX.read(query) or "",
        **own_filters(query),
    }
