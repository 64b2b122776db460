"""The table of all endpoints; the first that matches answers.

Whoever adds endpoints writes them into a list of their own and names it here.
"""

from .endpoint import Endpoint
from .instances import INSTANCES

ENDPOINTS: list[Endpoint] = [*INSTANCES]
