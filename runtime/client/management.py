"""Where the HTTP management API can be reached, and the links to one instance that follow."""

from urllib.parse import quote, urlencode, urlsplit

from attrs import field, frozen

MANAGEMENT_PATH = "/runtime/webhooks/durabletask"
"""Where the Functions host has it, and where ours is when it is served by itself."""


def _without_slash(url: str) -> str:
    return url.rstrip("/")


def _place(_: object, __: object, url: str) -> None:
    parts = urlsplit(url)
    if parts.query or parts.fragment or not (url == "" or url.startswith(("/", "http"))):
        raise ValueError(
            f"the URL of the management API is http(s)://host/path or only /path, not {url!r}"
        )


@frozen(kw_only=True)
class ManagementUrl:
    """Where the management API is, as the links of its answers say it.

    A `url` that is only a path is completed by the address at which a request came in. With
    `use_forwarded_host`, that is what a proxy says in X-Forwarded-Host and X-Forwarded-Proto.
    `code` is a key that everybody who gets a link may then use.
    """

    url: str = field(default=MANAGEMENT_PATH, converter=_without_slash, validator=_place)
    task_hub: str | None = None
    connection: str | None = None
    code: str | None = field(default=None, repr=False)
    use_forwarded_host: bool = False

    def base(self, origin: str | None) -> str:
        """The address of the API; raises `ValueError` when neither `url` nor `origin` has a host.

        `origin` is the address of the service to which a path is relative.
        """
        if self.url.startswith("http"):
            return self.url
        if origin is None:
            raise ValueError(
                "links need a host: give the request, or the client "
                "ManagementUrl(url='https://host/runtime/webhooks/durabletask')"
            )
        return _without_slash(origin) + self.url

    def links(self, instance_id: str, origin: str | None = None) -> dict[str, str]:
        """The links to one instance, under the names of Durable Functions."""
        base = self.base(origin)
        instance = f"{base}/instances/{quote(instance_id, safe='')}"
        where = self._query()
        steer = f"?reason={{text}}{'&' + where if where else ''}"
        plain = f"?{where}" if where else ""
        return {
            "id": instance_id,
            "statusQueryGetUri": instance + plain,
            "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}{plain}",
            "terminatePostUri": f"{instance}/terminate{steer}",
            "rewindPostUri": f"{instance}/rewind{steer}",
            "purgeHistoryDeleteUri": instance + plain,
            "restartPostUri": f"{instance}/restart{plain}",
            "suspendPostUri": f"{instance}/suspend{steer}",
            "resumePostUri": f"{instance}/resume{steer}",
        }

    def creation_links(self, origin: str | None = None) -> dict[str, str]:
        """The links that start an instance, under the names of Durable Functions."""
        start = f"{self.base(origin)}/orchestrators/{{functionName}}[/{{instanceId}}]"
        where = self._query()
        waiting = "?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}"
        return {
            "createNewInstancePostUri": start + (f"?{where}" if where else ""),
            "createAndWaitOnNewInstancePostUri": start + waiting + (f"&{where}" if where else ""),
        }

    def _query(self) -> str:
        named = {"taskHub": self.task_hub, "connection": self.connection, "code": self.code}
        return urlencode({name: value for name, value in named.items() if value is not None})


def check_status_links(links: dict[str, str]) -> dict[str, str]:
    """The body of a check-status response: the Functions host leaves rewind out of it."""
    return {name: link for name, link in links.items() if name != "rewindPostUri"}
