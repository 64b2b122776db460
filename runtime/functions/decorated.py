"""The v2 model: functions that decorators registered with the app object of `function_app.py`."""

import importlib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

from .errors import FunctionsError
from .model import HTTP_TRIGGER, Binding, Function
from .signatures import checked

SCRIPT = "function_app.py"
_RETRY = {
    "strategy": "strategy",
    "max_retry_count": "maxRetryCount",
    "delay_interval": "delayInterval",
    "minimum_interval": "minimumInterval",
    "maximum_interval": "maximumInterval",
}


def decorated_functions(module: ModuleType, script: Path) -> list[Function]:
    """The functions of a loaded `function_app.py`; raises `FunctionsError`."""
    app = _app_of(module, script)
    try:
        registered = app.get_functions()
    except Exception as error:
        raise FunctionsError(f"{script}: {error}") from error
    return [_function(function, script) for function in registered]


def _app_of(module: ModuleType, script: Path) -> Any:
    package = importlib.import_module("azure.functions.decorators.function_app")
    kind: type[Any] = package.FunctionRegister
    apps = {id(value): value for value in vars(module).values() if isinstance(value, kind)}
    if len(apps) == 1:
        return next(iter(apps.values()))
    if apps:
        raise FunctionsError(
            f"{script} has {len(apps)} app objects; keep one, make blueprints (df.Blueprint()) of "
            "the others and give them to its register_functions()"
        )
    raise FunctionsError(
        f"{script} has no app object at its top level; add `app = df.DFApp()` "
        "(or func.FunctionApp()) and decorate the functions with it"
    )


def _function(function: Any, script: Path) -> Function:
    name = str(function.get_function_name())
    trigger = function.get_trigger()
    bindings = [b for b in function.get_bindings() if b is not trigger]
    retry = function.get_settings_dict("retry_policy")
    return checked(
        Function(
            name,
            function.get_user_function(),
            _binding(trigger),
            tuple(_binding(binding) for binding in bindings),
            script,
            _retry(retry) if retry else None,
        )
    )


def _binding(binding: Any) -> Binding:
    said = cast("dict[str, Any]", _plain(binding.get_dict_repr()))
    type_, name = str(said.pop("type")), str(said.pop("name"))
    direction = cast("Literal['in', 'out', 'inout']", str(said.pop("direction")).lower())
    if type_ == HTTP_TRIGGER:
        said["authLevel"] = str(said.get("authLevel", "function")).lower()
    return Binding(type_, name, direction, said)


def _plain(value: object) -> object:
    """Enumerations as texts: what a `function.json` would hold."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, object]", value)
        return {key: _plain(item) for key, item in mapping.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in cast("list[object]", value)]
    return value


def _retry(said: Mapping[str, Any]) -> dict[str, Any]:
    return {to: said[key] for key, to in _RETRY.items() if said.get(key) is not None}
