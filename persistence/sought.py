"""What can be looked for: half a character, or one that ends a text in C, stands in no row."""

import re
from collections.abc import Iterable, Sequence
from typing import cast

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether an id in a store may be this."""
    return _UNSTORABLE.search(text) is None


def storable(ids: Iterable[str]) -> list[str]:
    """Those of these ids that can be in a store."""
    return [actor_id for actor_id in ids if is_storable(actor_id)]


def sought(values: Sequence[object]) -> list[object]:
    """The values of a search, with NULL, which equals nothing, for what no row can hold."""
    found: list[object] = []
    for value in values:
        if isinstance(value, str) and not is_storable(value):
            found.append(None)
        elif isinstance(value, list):
            found.append(sought(cast("list[object]", value)))
        else:
            found.append(value)
    return found
