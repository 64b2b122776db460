"""What a verdict is found from, and what it says."""

from collections.abc import Sequence
from functools import cached_property

from attrs import Factory, define, frozen

from perdure.actors.app import App
from perdure.persistence.records import Whole
from perdure.persistence.store import Store

from .history import History
from .ledger import Ledger


@frozen
class Violation:
    """Something that no order of events allows."""

    rule: str
    """The promise that was broken."""
    about: str
    """The instance, entity or client."""
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.about}: {self.text}"


@define
class Verdict:
    """What the checker found."""

    violations: list[Violation] = Factory(list[Violation])
    undecided: list[str] = Factory(list[str])
    """What it cannot decide, and why."""

    @property
    def holds(self) -> bool:
        """Whether nothing was broken."""
        return not self.violations

    def __str__(self) -> str:
        return "\n".join(map(str, self.violations)) or "every promise was kept"


@define(slots=False)
class Evidence:
    """What happened, as clients saw it and as the store has it."""

    app: App
    """The definitions; entities are run from it once more."""
    history: History
    store: Store
    """At rest: nobody writes to it any more."""
    ledger: Ledger
    at_rest: bool = True
    """Whether nothing was left that could have happened."""
    opaque: Sequence[str] = ()
    """Names of entities of which the code depends on more than state and input."""

    @cached_property
    def wholes(self) -> dict[str, Whole]:
        """All that the store holds, by id."""
        return {whole.id: whole for whole in self.store.export()}
