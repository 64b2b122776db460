"""The v1 model: one folder per function, with a `function.json` that says what it is."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

from .errors import FunctionsError
from .model import HTTP_TRIGGER, SUPPORTED_TRIGGERS, Binding, Function
from .modules import ROOT_PACKAGE
from .settings_json import read_object
from .signatures import checked

FILE = "function.json"
Import = Callable[[str, Path], ModuleType]

_DIRECTIONS: dict[str, Literal["in", "out", "inout"]] = {"in": "in", "out": "out", "inout": "inout"}
_CANONICAL = {name.casefold(): name for name in SUPPORTED_TRIGGERS}


def function_folders(app: Path) -> list[Path]:
    """The folders of an app that hold a function, in the order of their names."""
    return sorted(path.parent for path in app.glob(f"*/{FILE}"))


def folder_function(folder: Path, load: Import) -> Function:
    """The function in a folder, whose script `load` imports; raises `FunctionsError`."""
    file = folder / FILE
    said = read_object(file) or {}
    bindings = [_binding(file, entry) for entry in _entries(file, said)]
    triggers = [binding for binding in bindings if binding.is_trigger]
    if len(triggers) != 1:
        found = ", ".join(repr(t.type) for t in triggers) or "none"
        raise FunctionsError(f"{file}: bindings have one trigger, found {found}")
    script, entry_point = _script(folder, said), str(said.get("entryPoint") or "main")
    call = getattr(load(_module_name(folder.parent, script), script), entry_point, None)
    if not callable(call):
        raise FunctionsError(
            f"{script} has no function {entry_point!r}; define it, or name another one as "
            f"entryPoint in {file}"
        )
    trigger = _complete(triggers[0], folder.name)
    others = tuple(binding for binding in bindings if binding is not triggers[0])
    retry = cast("Mapping[str, Any] | None", said.get("retry"))
    off = said.get("disabled") is True
    return checked(Function(folder.name, call, trigger, others, script, retry, off))


def _entries(file: Path, said: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    bindings: object = said.get("bindings")
    if not isinstance(bindings, list):
        raise FunctionsError(f'{file} needs "bindings": a list of objects')
    for entry in cast("list[object]", bindings):
        if not isinstance(entry, dict):
            raise FunctionsError(f"{file}: a binding is an object in braces, not {entry!r}")
        yield cast("dict[str, Any]", entry)


def _binding(file: Path, entry: Mapping[str, Any]) -> Binding:
    said = dict(entry)
    for key in ("type", "name"):
        if not isinstance(said.get(key), str) or not said[key]:
            raise FunctionsError(f"{file}: the binding {entry!r} needs a {key!r}")
    type_, name = str(said.pop("type")), str(said.pop("name"))
    given = said.pop("direction", "in")
    direction = _DIRECTIONS.get(str(given).lower())
    if direction is None:
        raise FunctionsError(f'{file}: direction of {name!r} is "in" or "out", not {given!r}')
    return Binding(_CANONICAL.get(type_.casefold(), type_), name, direction, said)


def _complete(trigger: Binding, name: str) -> Binding:
    if trigger.type != HTTP_TRIGGER:
        return trigger
    said = dict(trigger.properties)
    said["route"] = said.get("route") or name
    said["authLevel"] = str(said.get("authLevel") or "function").lower()
    return Binding(trigger.type, trigger.name, trigger.direction, said)


def _script(folder: Path, said: Mapping[str, Any]) -> Path:
    script = (folder / str(said.get("scriptFile") or "__init__.py")).resolve()
    if not script.is_file():
        raise FunctionsError(f"{folder / FILE}: its scriptFile {script} does not exist")
    if not script.is_relative_to(folder.parent):
        raise FunctionsError(f"{folder / FILE}: its scriptFile {script} lies outside the app")
    return script


def _module_name(app: Path, script: Path) -> str:
    parts = [ROOT_PACKAGE, *script.relative_to(app).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
