"""What the arguments of calls stand for: names and decorated functions, and values of 1.x."""

import inspect
import typing
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from perdure.actors.durable_http import TokenSource
from perdure.actors.identity import EntityId
from perdure.actors.retry import RetryPolicy

_OVERRIDES = {"activityTrigger": "activity", "orchestrationTrigger": "orchestration"}


def name_of(target: Any, trigger: str, caller: str) -> str:
    """The registered name of what a call names: a text, or a decorated function.

    Raises `ValueError` for a function without a trigger, or with another one.
    """
    if isinstance(target, str):
        if not target:
            raise ValueError("function_name cannot be empty")
        return target
    function = getattr(target, "_function", None)
    if function is None:
        raise ValueError(
            f"The `{caller}` API received {target!r:.80}, which has no associated Azure Functions "
            f"trigger-type; decorate it with `{_decorator(trigger)}`, or give its name as a string"
        )
    own = function.get_trigger()
    if own is None or own.type != trigger:
        found = "none" if own is None else own.type
        raise ValueError(
            f"Received function with Trigger-type `{found}` but expected `{trigger}`; "
            f"decorate it with `{_decorator(trigger)}`, or give its name as a string"
        )
    return str(getattr(own, _OVERRIDES[trigger], None) or function.get_function_name())


def _decorator(trigger: str) -> str:
    return trigger.replace("Trigger", "_trigger")


def returned_type(target: Any) -> type | None:
    """The class that a decorated activity says it returns, if it is one."""
    function: Callable[..., Any] | None = getattr(getattr(target, "_function", None), "_func", None)
    if function is None:
        return None
    try:
        found: object = typing.get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 - a name that is not there; then the annotation may do
        found = inspect.signature(function).return_annotation
    return found if isinstance(found, type) else None


def entity_of(given: Any) -> EntityId:
    """An entity by the `EntityId` of the app's package; raises `ValueError` without one."""
    if not given:
        raise ValueError("entity_id cannot be empty")
    return EntityId(given.name, given.key)


def retry_policy(options: Any) -> RetryPolicy:
    """The policy of `RetryOptions`."""
    interval = timedelta(milliseconds=options.first_retry_interval_in_milliseconds)
    return RetryPolicy(max_attempts=options.max_number_of_attempts, first_interval=interval)


def scope_of(given: Any) -> TokenSource | None:
    """The scope that a `ManagedIdentityTokenSource` asks a token for."""
    if given is None:
        return None
    resource = str(given.resource)
    default = "/.default"
    return TokenSource(resource if resource.endswith(default) else resource.rstrip("/") + default)


def fire_time(given: Any) -> datetime:
    """When a timer is due; raises `ValueError` for what is no date."""
    if isinstance(given, datetime):
        return given
    if isinstance(given, date):
        return datetime.combine(given, time(), UTC)
    raise ValueError(f"fireAt: Expected valid datetime object but got {given!r}")
