"""The table of all endpoints; the first that matches answers.

Whoever adds endpoints writes them into a list of their own and names it here.
"""

from .endpoint import Endpoint
from .entities import ENTITIES
from .instances import INSTANCES
from .primary import PRIMARY
from .starting import STARTING
from .steering import STEERING

ENDPOINTS: list[Endpoint] = [*STARTING, *INSTANCES, *STEERING, *ENTITIES, *PRIMARY]
