"""What a host is going to do: everything that is known, and checked, before anything runs."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from attrs import evolve, frozen

from perdure import Webhook

from .host_file import HostFile
from .host_settings import HostSettings
from .http_triggers import HttpTrigger, http_triggers
from .model import DISABLED, Function, FunctionsApp
from .task_hubs import HubMap
from .timer_triggers import TimerTrigger, timer_triggers


@frozen
class HostPlan:
    """See the module's docstring."""

    app: FunctionsApp
    """With the functions that run, and no others."""
    file: HostFile
    hubs: HubMap
    http: list[HttpTrigger]
    timers: list[TimerTrigger]
    webhooks: Mapping[str, list[Webhook]]
    """By the name of a hub, who is told of its instances."""
    left_out: list[tuple[Function, str]]
    """Functions that do not run, with the reason."""

    @property
    def settings(self) -> HostSettings:
        """What host.json says."""
        return self.file.settings

    @property
    def folder(self) -> Path:
        """The app's folder."""
        return self.app.folder

    @classmethod
    def of(
        cls, app: FunctionsApp, file: HostFile, environ: Mapping[str, str], now: datetime
    ) -> "HostPlan":
        """The plan for an app; raises `FunctionsError` for what cannot be."""
        reasons = [(function, _reason(function, file.settings)) for function in app.functions]
        running = [function for function, reason in reasons if reason is None]
        hubs = HubMap(app.folder, file.settings, environ)
        for function in running:
            for client in function.clients:
                hubs.of(function, client)
        return cls(
            evolve(app, functions=tuple(running)),
            file,
            hubs,
            http_triggers(running, file.settings.route_prefix, environ),
            timer_triggers(running, environ, now),
            {
                hub.name: file.settings.notifications.webhooks(hub.name, environ)
                for hub in hubs.named.values()
            },
            [(function, reason) for function, reason in reasons if reason is not None],
        )


def _reason(function: Function, settings: HostSettings) -> str | None:
    """Why a function does not run, or None."""
    if function.disabled:
        return DISABLED
    if settings.functions is not None and function.name.casefold() not in settings.functions:
        return "host.json does not list it in functions"
    return function.obstacle
