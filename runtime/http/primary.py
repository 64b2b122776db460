"""The call by which scripts make one app of several the running one."""

from starlette.responses import Response

from .answers import OK
from .call import Call
from .endpoint import ANY_METHOD, Endpoint
from .shapes import DONE


async def make_primary(call: Call) -> Response:
    """Nothing has to be done: the runtime that answers owns its store, and no other can."""
    call.client()
    return Response(status_code=OK)


PRIMARY = [Endpoint(ANY_METHOD, "/makeprimary", make_primary, (OK,), shows={OK: DONE})]
