"""The doors: what users import, each name once, explained, and in order."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

DOORS = ["perdure", "perdure.http", "perdure.lint", "perdure.telemetry", "perdure.testing"]


@pytest.mark.parametrize("door", DOORS)
def test_a_door_lists_exactly_what_it_shows(door: str) -> None:
    module = importlib.import_module(door)
    shown: set[str] = set()
    for node in ast.parse(Path(inspect.getfile(module)).read_text("utf-8")).body:
        match node:
            case ast.ImportFrom(names=names) | ast.Import(names=names):
                shown |= {alias.asname or alias.name for alias in names}
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                shown.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                shown.add(name)
            case _:
                pass
    shown -= {"__all__"}
    private = {name for name in shown if name.startswith("_") and not name.startswith("__")}
    assert module.__all__ == sorted(shown - private)


@pytest.mark.parametrize("door", DOORS)
def test_every_public_name_is_explained(door: str) -> None:
    module = importlib.import_module(door)
    silent = [name for name in module.__all__ if not (getattr(module, name).__doc__ or "").strip()]
    assert not silent


@pytest.mark.parametrize("door", DOORS)
def test_a_door_shows_no_whole_modules(door: str) -> None:
    module = importlib.import_module(door)
    rooms = [name for name in module.__all__ if inspect.ismodule(getattr(module, name))]
    assert not rooms
