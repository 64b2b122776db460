"""What a Functions app consists of, whichever programming model it was written in.

Bindings look as they do in a `function.json`: types and properties in camelCase, enumerations as
texts, absent where the app says nothing.
"""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final, Literal, Self

from attrs import Factory, field, frozen

ORCHESTRATION_TRIGGER: Final = "orchestrationTrigger"
ACTIVITY_TRIGGER: Final = "activityTrigger"
ENTITY_TRIGGER: Final = "entityTrigger"
HTTP_TRIGGER: Final = "httpTrigger"
TIMER_TRIGGER: Final = "timerTrigger"
SUPPORTED_TRIGGERS: Final = frozenset(
    {ORCHESTRATION_TRIGGER, ACTIVITY_TRIGGER, ENTITY_TRIGGER, HTTP_TRIGGER, TIMER_TRIGGER}
)
DURABLE_CLIENTS: Final = frozenset({"durableClient", "orchestrationClient"})
"""The binding of a client, by its name and by the one it had in version 1 of the extension."""

SUPPORTED_BINDINGS: Final = DURABLE_CLIENTS | {"http"}
"""Besides triggers."""

DISABLED: Final = "it is disabled"
"""Why a function is not run that the app's settings switch off."""

RETURN: Final = "$return"
"""The name of the binding that takes what a function returns."""

_RENAMED = {
    ORCHESTRATION_TRIGGER: "orchestration",
    ACTIVITY_TRIGGER: "activity",
    ENTITY_TRIGGER: "entityName",
}


@frozen
class Binding:
    """What ties one parameter, or the return value, of a function to the world."""

    type: str
    name: str
    """The parameter's name, or `$return`."""
    direction: Literal["in", "out", "inout"] = "in"
    properties: Mapping[str, Any] = Factory(dict[str, Any])
    """Everything else: `route`, `methods`, `authLevel`, `schedule`, `taskHub` …"""

    @property
    def is_trigger(self) -> bool:
        """Whether it says what runs the function."""
        return self.type.casefold().endswith("trigger")

    @property
    def is_client(self) -> bool:
        """Whether it takes the JSON text of which a `DurableOrchestrationClient` is made."""
        return self.type in DURABLE_CLIENTS


@frozen
class Function:
    """One function of an app."""

    name: str
    call: Callable[..., Any] = field(repr=False)
    """As registered: takes each input binding, and out parameters, by keyword.

    A durable client's parameter takes the binding's JSON text in both models.
    """
    trigger: Binding
    """An HTTP trigger always has a `route` and an `authLevel`."""
    bindings: tuple[Binding, ...] = ()
    """All others."""
    file: Path = Path()
    retry: Mapping[str, Any] | None = None
    """The host's retry policy for this function: `strategy`, `maxRetryCount`, `delayInterval` …"""
    disabled: bool = False

    @property
    def registered_name(self) -> str:
        """The name by which orchestrators and clients know it: the trigger's, or its own."""
        given = self.trigger.properties.get(_RENAMED.get(self.trigger.type, ""))
        return str(given) if given else self.name

    @property
    def obstacle(self) -> str | None:
        """Why nothing here can run it, if so: a trigger or a binding that is not supported."""
        if self.trigger.type not in SUPPORTED_TRIGGERS:
            return f"its trigger {self.trigger.type!r} is not supported"
        strange = [b for b in self.bindings if b.type not in SUPPORTED_BINDINGS]
        if not strange:
            return None
        shown = ", ".join(f"{b.name!r} ({b.type!r})" for b in strange)
        return f"bindings of this kind are not supported: {shown}"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters; a `context` that is no binding's takes the host's."""
        return tuple(inspect.signature(self.call).parameters)

    @property
    def is_async(self) -> bool:
        """Whether it is called on the event loop; others are called in a thread."""
        return inspect.iscoroutinefunction(self.call)

    @property
    def clients(self) -> tuple[Binding, ...]:
        """Its durable clients."""
        return tuple(binding for binding in self.bindings if binding.is_client)

    @property
    def inputs(self) -> tuple[Binding, ...]:
        """Its input bindings that are no durable clients."""
        return tuple(b for b in self.bindings if b.direction != "out" and not b.is_client)

    @property
    def outputs(self) -> tuple[Binding, ...]:
        """Its output bindings."""
        return tuple(binding for binding in self.bindings if binding.direction != "in")


@frozen(eq=False)
class FunctionsApp:
    """A loaded app; leaving it as a context takes its modules out of the interpreter."""

    folder: Path
    functions: tuple[Function, ...]
    modules: Mapping[str, ModuleType] = field(factory=dict[str, ModuleType], repr=False)
    """The app's own modules by name; they may grow, for functions import when they run."""
    close: Callable[[], None] = field(default=lambda: None, repr=False)
    """Take its modules out of the interpreter; the functions stay usable."""

    def triggered_by(self, trigger: str) -> tuple[Function, ...]:
        """Its enabled functions with that type of trigger, without those that have an obstacle."""
        wanted = (f for f in self.functions if f.trigger.type == trigger)
        return tuple(f for f in wanted if not f.disabled and f.obstacle is None)

    @property
    def left_out(self) -> tuple[tuple[Function, str], ...]:
        """Its functions that nothing here runs, with the reason."""
        reasons = ((f, DISABLED if f.disabled else f.obstacle) for f in self.functions)
        return tuple((function, why) for function, why in reasons if why is not None)

    @property
    def unsupported(self) -> tuple[Function, ...]:
        """Its enabled functions that nothing here can run: to be listed, with their obstacles."""
        return tuple(f for f in self.functions if not f.disabled and f.obstacle is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
