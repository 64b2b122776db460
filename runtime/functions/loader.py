"""From a folder to a `FunctionsApp`, in whichever programming model it was written."""

import importlib
import os
from pathlib import Path
from types import ModuleType

import attrs

from .app_settings import setting
from .decorated import SCRIPT, decorated_functions
from .errors import FunctionsError
from .folders import FILE, folder_function, function_folders
from .model import Function, FunctionsApp
from .modules import AppModules


def load(folder: str | os.PathLike[str]) -> FunctionsApp:
    """Load the Functions app in a folder; its modules stay apart from those of other apps.

    The app settings have to be in the environment. Raises `FunctionsError`, which names the file
    and the fix.
    """
    place = Path(folder).resolve()
    if not place.is_dir():
        raise FunctionsError(f"{place} is no folder; name the one with host.json in it")
    folders = function_folders(place)
    script = place / os.environ.get("PYTHON_SCRIPT_FILE_NAME", SCRIPT)
    if script.is_file() and folders:
        raise FunctionsError(
            f"{place} has both {script.name} and {folders[0].name}/{FILE}; the two models do not "
            "mix: move that function into a blueprint, or remove its folder"
        )
    if not script.is_file() and not folders:
        raise FunctionsError(
            f"{place} is no Functions app: there is neither {script.name} nor a folder with {FILE}"
        )
    modules = AppModules(place)
    modules.settle()
    try:
        found = (
            [folder_function(one, _imported) for one in folders]
            if folders
            else decorated_functions(_imported(script.stem, script), script)
        )
    except BaseException:
        modules.leave()
        raise
    functions = tuple(_switched(function) for function in found)
    return FunctionsApp(place, functions, modules.loaded, modules.leave)


def _imported(name: str, file: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        advice = "install what its requirements.txt lists into the environment that runs perdure"
        raise FunctionsError(f"{file} cannot be loaded: {error}; {advice}") from error
    except SyntaxError as error:
        where = f"{error.filename or file}, line {error.lineno}"
        raise FunctionsError(f"{where}: {error.msg}") from error
    except Exception as error:
        shown = f"{type(error).__name__}: {error}"
        raise FunctionsError(f"{file} raised while it was loaded: {shown}") from error


def _switched(function: Function) -> Function:
    """The function as the settings leave it: `AzureWebJobs.NAME.Disabled` turns it off."""
    names = (f"AzureWebJobs.{function.name}.Disabled", f"AzureWebJobs_{function.name}_Disabled")
    said = next((v for name in names if (v := setting(os.environ, name)) is not None), "")
    off = said.strip().casefold() in ("true", "1")
    return attrs.evolve(function, disabled=True) if off else function
