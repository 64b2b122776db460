"""Which code there is: the orchestrations with versions, entities and activities of an App."""

from collections.abc import Iterable
from typing import Any

import orjson
from attrs import frozen

from .app import App
from .entity import Entity
from .orchestration import Orchestration


@frozen(order=True)
class Needed:
    """A definition that an actor cannot go on without, or an activity."""

    kind: str
    """`orchestration`, `entity` or `activity`."""
    name: str
    version: str = ""
    """Empty for instances that were started without one, and for all but orchestrations."""

    @classmethod
    def by(cls, actor: Orchestration | Entity) -> "Needed":
        """What runs this actor."""
        if isinstance(actor, Entity):
            return cls("entity", actor.entity_id.name)
        return cls("orchestration", actor.name, actor.version or "")


@frozen
class Repertoire:
    """What one worker can run."""

    definitions: frozenset[Needed] = frozenset()

    @classmethod
    def of(cls, app: App) -> "Repertoire":
        """That of an App."""
        orchestrations = (Needed("orchestration", n, v or "") for n, v in app.orchestrations)
        entities = (Needed("entity", name) for name in app.entities)
        activities = (Needed("activity", name) for name in app.activities)
        return cls(frozenset([*orchestrations, *entities, *activities]))

    def has(self, needed: Needed) -> bool:
        """Whether that can be run; by the rules of `App.recorded_orchestration`."""
        if needed in self.definitions:
            return True
        bare = Needed("orchestration", needed.name)
        if needed.kind != "orchestration" or bare not in self.definitions:
            return False
        # Code without versions runs all of them, unless there is code for some.
        same = (one for one in self.definitions if one.kind == needed.kind)
        return sum(one.name == needed.name for one in same) == 1

    def has_all(self, needs: Iterable[Needed]) -> bool:
        """Whether all of these can be run."""
        return all(map(self.has, needs))


def written(needs: Iterable[Needed]) -> str:
    """Definitions as text, the same for the same ones."""
    return orjson.dumps([[one.kind, one.name, one.version] for one in sorted(needs)]).decode()


def read(text: str) -> frozenset[Needed]:
    """The reverse of `written`; none for a text that is empty."""
    found: list[Any] = orjson.loads(text) if text else []
    return frozenset(Needed(*one) for one in found)
