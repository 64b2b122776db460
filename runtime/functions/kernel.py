"""A Functions app on the engine: its orchestrators, activities and entities as an `App`."""

import inspect
import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

from perdure.actors.app import App
from perdure.actors.context import ActivityContext, EntityContext, OrchestrationContext
from perdure.actors.definitions import ActivityDefinition, EntityDefinition, OrchestrationDefinition
from perdure.actors.durable_http import TokenProvider
from perdure.actors.errors import DefinitionNotFoundError, RegistrationError

from .conduct import conduct
from .entity_context import DurableEntityContext
from .errors import FunctionsError
from .host_settings import HostSettings
from .invocation import InvocationContext
from .model import ACTIVITY_TRIGGER, ENTITY_TRIGGER, ORCHESTRATION_TRIGGER, Function, FunctionsApp
from .orchestration_context import DurableOrchestrationContext
from .payloads import TaggedCodec
from .signatures import CONTEXT, wrapped

logger = logging.getLogger("perdure.functions")

Supply = Callable[[Function], Mapping[str, Any]]
"""Gives what the durable clients of a function take, by their parameters' names."""


class NotRunError(DefinitionNotFoundError):
    """Raised for a function that the app has, and the host does not run; the message says why."""

    def __init__(self, kind: str, name: str, reason: str) -> None:
        Exception.__init__(self, f"{kind} {name!r} is not run: {reason}")
        self.kind = kind
        self.name = name


class KernelApp(App):
    """An App whose activities and orchestrations are found by their names in any case."""

    left_out: Mapping[tuple[str, str], str] = {}
    """Why a function is not here, by its trigger and its name in lower case."""

    def activity_of(self, target: str | Callable[..., Any]) -> ActivityDefinition:
        """The activity of that name; raises `DefinitionNotFoundError`."""
        with self._with_reason(ACTIVITY_TRIGGER, target):
            return super().activity_of(_known(target, self.activities))

    def orchestration_of(
        self, target: str | Callable[..., Any], version: str | None = None
    ) -> OrchestrationDefinition:
        """The orchestration of that name; raises `DefinitionNotFoundError`."""
        known = [name for name, _ in self.orchestrations]
        with self._with_reason(ORCHESTRATION_TRIGGER, target):
            return super().orchestration_of(_known(target, known), version)

    def recorded_orchestration(self, name: str, version: str | None) -> OrchestrationDefinition:
        """The definition for an instance of that name."""
        known = [name for name, _ in self.orchestrations]
        with self._with_reason(ORCHESTRATION_TRIGGER, name):
            return super().recorded_orchestration(_known(name, known), version)

    def entity_of(self, target: str | Callable[..., Any]) -> EntityDefinition:
        """The entity of that name; raises `DefinitionNotFoundError`."""
        with self._with_reason(ENTITY_TRIGGER, target):
            return super().entity_of(target)

    @contextmanager
    def _with_reason(self, trigger: str, target: object) -> Generator[None]:
        try:
            yield
        except DefinitionNotFoundError as error:
            reason = self.left_out.get((trigger, str(target).casefold()))
            if reason is None:
                raise
            raise NotRunError(error.kind, str(target), reason) from error


def kernel_app(
    app: FunctionsApp,
    settings: HostSettings | None = None,
    *,
    supply: Supply | None = None,
    token_provider: TokenProvider | None = None,
    left_out: Iterable[tuple[Function, str]] = (),
) -> App:
    """What an `App` of this package runs of a Functions app; raises `FunctionsError`.

    `supply` is needed for activities that have a durable client: a host has it. `left_out` are
    functions that `app` does not have, with the reason that callers are told.
    """
    chosen = settings if settings is not None else HostSettings()
    made = KernelApp(app.folder.name, token_provider=token_provider)
    made.http_poll_interval = chosen.poll_interval
    codec = made.codec = TaggedCodec(app.modules)
    made.left_out = {
        (function.trigger.type, function.registered_name.casefold()): reason
        for function, reason in (*app.left_out, *left_out)
    }
    for function in app.triggered_by(ACTIVITY_TRIGGER):
        activity = _activity(function, supply or _without_host)
        _register(made.activity, activity, function, made.activities)
    for function in app.triggered_by(ORCHESTRATION_TRIGGER):
        known = [name for name, _ in made.orchestrations]
        orchestrator = _orchestrator(function, codec, chosen.actions_max)
        _register(made.orchestration, orchestrator, function, known)
    for function in app.triggered_by(ENTITY_TRIGGER):
        entity = _entity(function, codec, rolls_back=chosen.rolls_back)
        _register(made.entity, entity, function, made.entities)
    return made


def _known(target: Any, names: Any) -> Any:
    """The registered name that this is in another case; anything else as it is."""
    if not isinstance(target, str) or target in names:
        return target
    wanted = target.casefold()
    return next((name for name in names if name.casefold() == wanted), target)


def _register(register: Callable[..., Any], call: Any, function: Function, known: Any) -> None:
    name = function.registered_name
    kind = function.trigger.type
    if name.casefold() in {other.casefold() for other in known}:
        raise FunctionsError(
            f"{function.file}: another function is registered as {name!r} for {kind} already, "
            "and case makes no difference; give one of them another name"
        )
    try:
        register(call, name=name)
    except RegistrationError as error:
        raise FunctionsError(f"{function.file}: {error}") from error


def _without_host(function: Function) -> Mapping[str, Any]:
    if function.clients:
        raise FunctionsError(
            f"activity {function.name!r} has a durable client, {function.clients[0].name!r}, which "
            "only a host can give: run the app with perdure.functions.host"
        )
    return {}


def _activity(function: Function, supply: Supply) -> Callable[..., Any]:
    takes_context = CONTEXT in function.parameters and function.trigger.name != CONTEXT
    folder = str(function.file.parent)

    def arguments(value: Any, context: ActivityContext) -> dict[str, Any]:
        given = {function.trigger.name: value, **supply(function)}
        if takes_context:
            given[CONTEXT] = InvocationContext(context.idempotency_key, function.name, folder)
        return given

    async def run(value: Any, context: ActivityContext) -> Any:
        with _telling(f"activity {function.name} of instance {context.instance_id}"):
            return await function.call(**arguments(value, context))

    def run_in_thread(value: Any, context: ActivityContext) -> Any:
        with _telling(f"activity {function.name} of instance {context.instance_id}"):
            return function.call(**arguments(value, context))

    return run if function.is_async else run_in_thread


@contextmanager
def _telling(what: str) -> Generator[None]:
    """Log what it raises; its orchestration may well handle it, and nobody else see it."""
    try:
        yield
    except Exception as error:
        logger.warning("%s failed: %s", what, _shown(error), exc_info=True)
        raise


def _operation(context: EntityContext) -> str:
    return f"operation {context.operation_name} of entity {context.entity_id}"


def _shown(error: Exception) -> str:
    """The class and the first line; more is in the traceback, or in the output."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0].rstrip()}"


def _orchestrator(function: Function, codec: TaggedCodec, actions_max: int) -> Callable[..., Any]:
    orchestrator = wrapped(function)
    input_type: type | None = getattr(function.call, "_df_input_type", None)

    async def orchestrate(inner: OrchestrationContext) -> Any:
        context = DurableOrchestrationContext(inner, codec, input_type, actions_max)
        try:
            return await conduct(orchestrator, context)
        except Exception as error:
            if not inner.is_replaying:
                text = "orchestration %s, instance %s, failed: %s"
                logger.warning(text, function.name, inner.instance_id, _shown(error))
            raise

    return orchestrate


def _entity(function: Function, codec: TaggedCodec, *, rolls_back: bool) -> Callable[..., Any]:
    entity = wrapped(function)

    def operate(inner: EntityContext) -> None:
        inner.keeps_state = not rolls_back
        with _telling(_operation(inner)), DurableEntityContext(inner, codec) as context:
            entity(context)

    async def operate_later(inner: EntityContext) -> None:
        inner.keeps_state = not rolls_back
        with _telling(_operation(inner)), DurableEntityContext(inner, codec) as context:
            await entity(context)

    return operate_later if inspect.iscoroutinefunction(entity) else operate
