"""Which client a call is for: the query names a task hub and a connection."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeGuard, cast

from perdure.runtime.client.client import Client

from .refusal import BAD_REQUEST, Refusal


class HasClient(Protocol):
    """A runtime, or whatever else gives a client while it runs."""

    @property
    def client(self) -> Client:
        """The client; raises `RuntimeClosedError` while there is none."""
        ...


Target = Client | HasClient | Callable[[], Client]
Hubs = (
    Mapping[str, Target] | Mapping[tuple[str, str], Target] | Mapping[str | tuple[str, str], Target]
)
"""Targets by the name of their hub, or by hub and connection; the first is the default."""


class Directory:
    """Finds the client of a call, anew for each: a runtime may be entered later."""

    def __init__(self, target: Target | Hubs) -> None:
        self._only: Target | None = None
        self._hubs: dict[tuple[str, str | None], Target] = {}
        self._default: tuple[str, str | None] | None = None
        if not _are_hubs(target):
            self._only = cast("Target", target)
            return
        for key, held in target.items():
            hub, connection = (key, None) if isinstance(key, str) else key
            if not hub:
                raise ValueError("a task hub has a name that is not empty")
            self._hubs[_folded(hub, connection)] = held
            if self._default is None:
                self._default = (hub, connection)
        if self._default is None:
            raise ValueError("give the management API at least one task hub")

    def client(self, hub: str | None, connection: str | None) -> Client:
        """The client; raises `Refusal` for a hub or a connection that is not served here."""
        return _client_of(self._target(hub, connection))

    def names(self, hub: str | None, connection: str | None) -> tuple[str | None, str | None]:
        """The hub and the connection as links name them."""
        if self._default is None:
            return hub, connection
        if hub is not None:
            return hub, connection
        default_hub, default_connection = self._default
        return default_hub, connection if connection is not None else default_connection

    def _target(self, hub: str | None, connection: str | None) -> Target:
        if self._only is not None:
            return self._only
        hub, connection = self.names(hub, connection)
        assert hub is not None  # noqa: S101 - several hubs have a default
        for key in (_folded(hub, connection), _folded(hub, None)):
            if key in self._hubs:
                return self._hubs[key]
        named = [key for key in self._hubs if key[0] == hub.casefold()]
        if connection is None and named:
            return self._hubs[named[0]]
        known = ", ".join(sorted({key[0] for key in self._hubs}))
        where = f" at connection {connection!r}" if connection is not None and named else ""
        raise Refusal(BAD_REQUEST, f"no task hub {hub!r}{where} is served here; there are: {known}")


def _are_hubs(target: object) -> TypeGuard[Hubs]:
    return isinstance(target, Mapping)


def _folded(hub: str, connection: str | None) -> tuple[str, str | None]:
    return hub.casefold(), connection.casefold() if connection is not None else None


def _client_of(target: Target) -> Client:
    if isinstance(target, Client):
        return target
    if callable(target):
        return target()
    return target.client
