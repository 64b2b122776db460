"""The HTTP management API: an ASGI app to mount, keys, and a server; extra `http`."""

from .app import management_app as management_app
from .app import management_site as management_site
from .keys import Keys as Keys
from .serving import serve as serve

__all__ = ["Keys", "management_app", "management_site", "serve"]
