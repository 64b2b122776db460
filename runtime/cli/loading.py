"""From `module:app` to the App."""

import importlib
import inspect
import sys
from difflib import get_close_matches
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from perdure.actors.app import App
from perdure.runtime.host import Runtime

from .ending import NOT_FOUND, USAGE, CommandError

_WANTED = "an App, a Runtime, or a function without parameters that returns one"


def load_app(place: str) -> App | Runtime:
    """Import an App or Runtime, or call what gives one; the current folder is looked in first."""
    module_name, _, attribute = place.partition(":")
    if module_name.endswith(".py") or "/" in module_name:
        name = Path(module_name).stem
        raise CommandError(f"{place!r} is a file: write {name}:app, in the folder of {name}", USAGE)
    if not module_name or not attribute:
        raise CommandError(f"{place!r} is not module:app, such as app:app", USAGE)
    module = _imported(module_name)
    try:
        found: object = attrgetter(attribute)(module)
    except AttributeError as error:
        raise CommandError(
            f"{module_name} has no {attribute!r}{_instead(module, attribute)}", NOT_FOUND
        ) from error
    if callable(found) and not isinstance(found, (App, Runtime)):
        found = _made(place, module, found)
    if not isinstance(found, (App, Runtime)):
        _refuse(place, module, f"{found!r:.60}")
    return found


def _imported(name: str) -> ModuleType:
    here = str(Path.cwd())
    if sys.path[:1] != [here]:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0] and error.name != name:
            raise CommandError(f"{name} needs {error.name}, which is not installed") from error
        raise CommandError(
            f"there is no module {name!r} in {here} or installed", NOT_FOUND
        ) from error
    except (Exception, SystemExit) as error:
        problem = f"{type(error).__name__}: {error}"
        raise CommandError(f"{name} fails to be imported ({problem}): see --debug") from error


def _made(place: str, module: ModuleType, found: object) -> object:
    """What a function gives that wants nothing."""
    if isinstance(found, type):
        _refuse(place, module, f"the class {found.__name__}")
    if not callable(found) or inspect.iscoroutinefunction(found):
        _refuse(place, module, "an async function")
    if wanted := _parameters(found):
        _refuse(place, module, f"a function that wants {', '.join(wanted)}")
    try:
        return found()
    except (Exception, SystemExit) as error:
        problem = f"{type(error).__name__}: {error}"
        raise CommandError(f"{place} fails ({problem}): see --debug") from error


def _parameters(function: object) -> list[str]:
    """The names of what it cannot be called without."""
    if not callable(function):
        return []
    try:
        signature = inspect.signature(function)
    except ValueError:
        return []
    variable = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.default is inspect.Parameter.empty and parameter.kind not in variable
    ]


def _refuse(place: str, module: ModuleType, found: str) -> NoReturn:
    raise CommandError(f"{place} is {found}, and not {_WANTED}{_instead(module)}", USAGE)


def _instead(module: ModuleType, near: str = "") -> str:
    """The names in the module that are meant, perhaps."""
    apps = [name for name, there in vars(module).items() if isinstance(there, (App, Runtime))]
    names = apps or get_close_matches(near, vars(module), 1)
    places = " or ".join(f"{module.__name__}:{name}" for name in names)
    return f"; did you mean {places}?" if names else ""
