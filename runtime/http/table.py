"""The table of all endpoints; the first that matches answers.

Whoever adds endpoints writes them into a list of their own and names it here.
"""

from .counts import COUNTS
from .endpoint import Endpoint
from .entities import ENTITIES
from .histories import HISTORIES
from .instances import INSTANCES
from .openapi import openapi_endpoint
from .primary import PRIMARY
from .starting import STARTING
from .starting_many import STARTING_MANY
from .steering import STEERING
from .workers import WORKERS

ENDPOINTS: list[Endpoint] = [
    *STARTING,
    *STARTING_MANY,
    *INSTANCES,
    *HISTORIES,
    *COUNTS,
    *STEERING,
    *ENTITIES,
    *WORKERS,
    *PRIMARY,
]
ENDPOINTS.append(openapi_endpoint(ENDPOINTS))
