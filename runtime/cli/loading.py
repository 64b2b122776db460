"""From `module:app` to the App."""

import importlib
import sys
from operator import attrgetter
from pathlib import Path

from perdure.actors.app import App
from perdure.runtime.host import Runtime

from .ending import NOT_FOUND, USAGE, CommandError


def load_app(place: str) -> App | Runtime:
    """Import an App or Runtime, or call what gives one; the current folder is looked in first."""
    module_name, _, attribute = place.partition(":")
    if module_name.endswith(".py") or "/" in module_name:
        name = Path(module_name).stem
        raise CommandError(f"{place!r} is a file: write {name}:app, in the folder of {name}", USAGE)
    if not module_name or not attribute:
        raise CommandError(f"{place!r} is not module:app, such as app:app", USAGE)
    here = str(Path.cwd())
    if sys.path[:1] != [here]:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name.partition(".")[0] and error.name != module_name:
            raise CommandError(
                f"{module_name} needs {error.name}, which is not installed"
            ) from error
        raise CommandError(
            f"there is no module {module_name!r} in {here} or installed", NOT_FOUND
        ) from error
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise CommandError(
            f"{module_name} fails to be imported ({problem}): see --debug"
        ) from error
    try:
        found: object = attrgetter(attribute)(module)
    except AttributeError as error:
        raise CommandError(f"{module_name} has no {attribute!r}", NOT_FOUND) from error
    if callable(found) and not isinstance(found, (App, Runtime)):
        found = found()
    if not isinstance(found, (App, Runtime)):
        raise CommandError(f"{place} is no App or Runtime, but {found!r:.60}", USAGE)
    return found
