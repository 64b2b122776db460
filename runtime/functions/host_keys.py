"""Keys of the host: who may call functions, the management API, and everything."""

import hmac
from hashlib import sha256
from typing import Any

from attrs import Attribute, Factory, field, frozen


def _key(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"the {attribute.name} key is a text that is not empty")


def _derived(kind: str) -> Any:
    """Makes a key of the master key that shows nothing of it, and is the same after a restart."""

    def derive(keys: "HostKeys") -> str:
        return hmac.new(keys.master.encode(), f"perdure {kind} key".encode(), sha256).hexdigest()

    return Factory(derive, takes_self=True)


@frozen(kw_only=True)
class HostKeys:
    """The keys that callers show, as query parameter `code` or header `x-functions-key`."""

    master: str = field(validator=_key, repr=False)
    """Opens everything."""
    function: str = field(validator=_key, repr=False, default=_derived("function"))
    """Opens HTTP triggers of the level `function`; made of the master key unless given."""
    system: str = field(validator=_key, repr=False, default=_derived("system"))
    """Opens the management API, and is part of the links to it; made of the master key as well."""

    def open(self, level: str, shown: list[str]) -> bool:
        """Whether one of the shown keys opens that level: `anonymous`, `function` or `admin`."""
        if level == "anonymous":
            return True
        wanted = [self.master, self.function] if level == "function" else [self.master]
        return any(_same(one, key) for one in shown for key in wanted)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))
