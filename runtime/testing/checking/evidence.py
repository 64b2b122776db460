"""What a verdict is found from, and what it says."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from attrs import Factory, define, frozen

from perdure.actors.app import App
from perdure.persistence.records import Whole
from perdure.persistence.store import Store
from perdure.runtime.checked import checked_app, checked_kind, checked_names, checked_open_store

from .history import History
from .ledger import Ledger, unreadable


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
    judged: int = 0
    """How many requests of clients were held against what is durable, and decided."""

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
    by_clients: Sequence[str] = ()
    """Names of entities and orchestrations to which nobody but the recorded clients sends.

    Of a store that nobody watched, only their operations and events are all on record.
    """

    unreadable: Mapping[str, str] = Factory(dict[str, str])
    """What is no evidence of anything, by id with the reason."""

    @classmethod
    def of(
        cls,
        app: App,
        history: History,
        store: Store,
        *,
        at_rest: bool = True,
        opaque: Sequence[str] = (),
        by_clients: Sequence[str] = (),
    ) -> "Evidence":
        """What clients recorded, and what a store holds that nobody watched being filled.

        Raises `ValueError` for a name in `by_clients` that `app` does not define.
        """
        checked_app(app)
        checked_open_store(store)
        checked_kind(history, History, "history is a History, such as History()")
        checked_names("by_clients", by_clients)
        checked_names("opaque", opaque)
        known = {*app.entities, *(name for name, _ in app.orchestrations)}
        if strangers := {*by_clients} - known:
            text = f"by_clients names {', '.join(sorted(strangers))}, which the App does not define"
            raise ValueError(f"{text}: it has {', '.join(sorted(known))}")
        wholes = {whole.id: whole for whole in store.export()}
        damaged = {name: why for name, whole in wholes.items() if (why := unreadable(whole))}
        ledger = Ledger.of([whole for name, whole in wholes.items() if name not in damaged])
        return cls(app, history, store, ledger, at_rest, opaque, by_clients, damaged)

    @cached_property
    def wholes(self) -> dict[str, Whole]:
        """All that the store holds and that can be read, by id."""
        wholes = self.store.export()
        return {whole.id: whole for whole in wholes if whole.id not in self.unreadable}
