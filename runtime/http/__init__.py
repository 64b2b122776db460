"""The HTTP management API: an ASGI app to mount, keys, and a server; extra `http`."""
