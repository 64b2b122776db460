"""What a host answers over HTTP to others: functions, and the management API."""

from collections.abc import Mapping

from attrs import frozen
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from perdure.http import Keys, management_app
from perdure.http.app import OLD_MANAGEMENT_PATH
from perdure.http.hubs import Target
from perdure.http.keys import shown_keys
from perdure.runtime.client.management import MANAGEMENT_PATH

from .client_doors import Lenient
from .host_keys import HostKeys
from .host_settings import HostSettings
from .local_settings import LocalSettings


@frozen
class Door:
    """The management API for those who show a key of the host."""

    by_key: Mapping[str, ASGIApp]
    """The first one answers those who show none of the keys."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on to the API that knows its key."""
        app = next(iter(self.by_key.values()))
        if scope["type"] == "http":
            shown = shown_keys(Request(scope))
            app = next((self.by_key[key] for key in shown if key in self.by_key), app)
        await app(scope, receive, send)


def public_site(
    functions: ASGIApp,
    hubs: Mapping[tuple[str, str], Target],
    settings: HostSettings,
    local: LocalSettings,
    keys: HostKeys | None,
) -> Starlette:
    """What others reach."""
    if keys is None:
        management: ASGIApp = _management(hubs, settings, None)
    else:
        each = (keys.system, keys.master)
        management = Door({key: _management(hubs, settings, Keys(full=key)) for key in each})
    cors = Middleware(
        CORSMiddleware,
        allow_origins=local.origins,
        allow_credentials=local.credentials,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["*"],
    )
    return Starlette(
        routes=[
            Mount(MANAGEMENT_PATH, app=management),
            Mount(OLD_MANAGEMENT_PATH, app=management),
            Mount("", app=functions),
        ],
        middleware=[cors] if local.origins else [],
    )


def _management(
    hubs: Mapping[tuple[str, str], Target], settings: HostSettings, keys: Keys | None
) -> ASGIApp:
    app = management_app(
        dict(hubs),
        keys=keys,
        reuse=settings.reuse,
        use_forwarded_host=settings.use_forwarded_host,
    )
    return app if settings.raise_event_strictly else Lenient(app)
