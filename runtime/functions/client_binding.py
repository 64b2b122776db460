"""The text that a durable client's parameter is made of: where its task hub can be reached.

It is the JSON that the Functions host hands to its language workers: links for whoever gets a
response, and `rpcBaseUrl` for the client itself.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import field, frozen

from perdure.runtime.client.management import MANAGEMENT_PATH, ManagementUrl

from .model import Binding, Function
from .task_hubs import HubMap, TaskHub

INSTANCE_ID = "INSTANCEID"
"""What the client replaces in links by the id of an instance."""


@frozen
class ClientBindings:
    """The texts of all durable clients of an app, once it is known where they reach it."""

    hubs: HubMap
    url: str
    """Where others reach this host."""
    rpc_urls: Mapping[tuple[str, str], str]
    """Where the clients of each hub reach it, by the hub's key."""
    code: str | None = field(default=None, repr=False)
    """The key in the links."""

    def text(self, function: Function, client: Binding) -> str:
        """The JSON for one client of a function."""
        return json.dumps(self._document(self.hubs.of(function, client)))

    def management(self, hub: TaskHub) -> ManagementUrl:
        """Where a hub's management API is, as links say it."""
        return ManagementUrl(
            url=self.url + MANAGEMENT_PATH,
            task_hub=hub.name,
            connection=hub.shown_connection,
            code=self.code,
        )

    def _document(self, hub: TaskHub) -> dict[str, Any]:
        management = self.management(hub)
        return {
            "taskHubName": hub.name,
            "creationUrls": management.creation_links(),
            "managementUrls": management.links(INSTANCE_ID),
            "baseUrl": management.url,
            "requiredQueryStringParameters": urlencode({"code": self.code}) if self.code else "",
            "rpcBaseUrl": self.rpc_urls[hub.key] + "/",
            "maxGrpcMessageSizeInBytes": 4_194_304,
            "grpcHttpClientTimeout": "00:01:40",
        }
