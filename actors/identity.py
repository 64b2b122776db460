"""The names of instances and entities: parsed, checked and made in one place."""

import re
from typing import Any, cast

from attrs import field, frozen

from .errors import InstanceIdError

INSTANCE_ID_CHARACTERS_MAX = 256

# Half of a surrogate pair is no character, and no store takes it.
_FORBIDDEN = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def checked_instance_id(instance_id: str) -> str:
    """Return `instance_id` when an orchestration may bear it, or raise `InstanceIdError`."""
    given = cast("object", instance_id)
    if not isinstance(given, str):
        raise InstanceIdError(given, f"it is a text, not {type(given).__name__}")
    if not instance_id:
        raise InstanceIdError(instance_id, "it is empty")
    if len(instance_id) > INSTANCE_ID_CHARACTERS_MAX:
        raise InstanceIdError(
            instance_id, f"it is longer than {INSTANCE_ID_CHARACTERS_MAX} characters"
        )
    if instance_id.startswith("@"):
        raise InstanceIdError(instance_id, "ids that begin with '@' belong to entities")
    if instance_id in {".", ".."}:
        raise InstanceIdError(instance_id, "in the URLs of instances it means another place")
    if found := _FORBIDDEN.search(instance_id):
        raise InstanceIdError(
            instance_id, f"{found[0]!r} is not allowed; neither are / \\ # ? and control characters"
        )
    return instance_id


def _lowered_name(name: str) -> str:
    if not name or "@" in name or _CONTROL.search(name):
        raise InstanceIdError(name, "an entity name is not empty and has no '@' in it")
    return name.lower()


def _checked_key(key: str) -> str:
    if found := _CONTROL.search(key):
        raise InstanceIdError(
            key, f"an entity key has no control characters, this has {found[0]!r}"
        )
    return key


@frozen(order=True)
class EntityId:
    """Which entity: a name in any case, kept in lower case, and a key of which case matters.

    Its text, `@name@key`, is the id of the instance behind it. Ordered by name, then key: the
    order in which locks are taken.
    """

    name: str = field(converter=_lowered_name)
    key: str = field(converter=_checked_key)

    def __str__(self) -> str:
        return f"@{self.name}@{self.key}"

    @classmethod
    def parse(cls, text: str) -> "EntityId":
        """Read `@name@key`; the key may hold further '@'. Raises `InstanceIdError`."""
        head, separator, key = text[1:].partition("@")
        if not text.startswith("@") or not separator:
            raise InstanceIdError(text, "an entity id reads '@name@key'")
        return cls(head, key)


def entity_id_of(entity: Any) -> EntityId:
    """The id of an entity given as id, text `@name@key`, or what `entity(...)` returns.

    Raises `TypeError` for anything else, and `InstanceIdError` for a text that is no id.
    """
    found = getattr(entity, "id", entity)
    if isinstance(found, EntityId):
        return found
    if isinstance(found, str) and found.startswith("@"):
        return EntityId.parse(found)
    name = repr(found) if isinstance(found, str) else "name"
    ways = f"EntityId({name}, key) or entity({name}, key)"
    raise TypeError(f"an entity is named by {ways}, not by {found!r:.60}")


def is_entity(instance_id: str) -> bool:
    """Whether this id is an entity's."""
    return instance_id.startswith("@")
