"""The modules of one app, kept apart from those of every other app in the process.

1.  An app imports its own files by plain names (`function_app`, `shared`), which other apps use as
    well. One app at a time is *resident*: its modules are in `sys.modules`, its folder in
    `sys.path`. The next one that is loaded takes that place.
2.  Code of an app that is not resident any more still imports its own modules: they are loaded
    with an `__import__` of their own, which makes the app resident for that moment.
3.  Files of the app come before installed packages, and never before the standard library.
"""

import builtins
import importlib
import os
import sys
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

ROOT_PACKAGE = "__app__"
"""The package that the functions of the v1 model lie in, with the app's folder as its path."""
PACKED = Path(".python_packages", "lib", "site-packages")
"""Where the Functions tools put what `requirements.txt` asks for."""

_SUFFIXES = (".py", ".pyc", ".so", ".pyd")


class AppModules:
    """The modules of the app in a folder."""

    _resident: ClassVar["AppModules | None"] = None
    _lock: ClassVar[threading.RLock] = threading.RLock()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loaded: dict[str, ModuleType] = {}
        """By name; grows when functions import while they run."""
        packed = folder / PACKED
        self._paths = [str(folder), *([str(packed)] if packed.is_dir() else [])]
        self._names = {name for path in self._paths for name in _importable(Path(path))}
        self._names -= sys.stdlib_module_names
        self._names.add(ROOT_PACKAGE)
        self._hidden: dict[str, ModuleType] = {}
        self._builtins: Mapping[str, Any] = {**vars(builtins), "__import__": self._import}

    def settle(self) -> None:
        """Become resident, in the place of whichever app was."""
        with self._lock:
            self._take_place(self)

    def leave(self) -> None:
        """Be resident no longer."""
        with self._lock:
            if AppModules._resident is self:
                self._take_place(None)

    @contextmanager
    def resident(self) -> Generator[None]:
        """Be resident for a moment."""
        with self._lock:
            before = AppModules._resident
            self._take_place(self)
            try:
                yield
            finally:
                self._take_place(before)

    @staticmethod
    def _take_place(app: "AppModules | None") -> None:
        before = AppModules._resident
        if before is app:
            return
        if before is not None:
            before._go()
        AppModules._resident = app
        if app is not None:
            app._come()

    def _come(self) -> None:
        for name in [name for name in list(sys.modules) if self._owns(name)]:
            self._hidden[name] = sys.modules.pop(name)
        sys.modules.update(self.loaded)
        sys.path[:0] = self._paths
        place = next((i for i, finder in enumerate(sys.meta_path) if finder is PathFinder), 0)
        sys.meta_path.insert(place, self)
        importlib.invalidate_caches()

    def _go(self) -> None:
        sys.meta_path.remove(self)
        for path in self._paths:
            if path in sys.path:
                sys.path.remove(path)
        for name in [name for name in list(sys.modules) if self._owns(name)]:
            self.loaded[name] = sys.modules.pop(name)
        sys.modules.update(self._hidden)
        self._hidden.clear()

    def _owns(self, name: str) -> bool:
        return name.partition(".")[0] in self._names

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - the name that Python calls it by
        locals: Mapping[str, object] | None = None,  # noqa: A002 - likewise
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level == 0 and not self._owns(name):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        with self.resident():
            return builtins.__import__(name, globals, locals, fromlist or (), level)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find one of the app's modules; the import system asks."""
        if not self._owns(fullname):
            return None
        if fullname == ROOT_PACKAGE:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(self.folder)]
            return spec
        found = PathFinder.find_spec(fullname, self._paths if path is None else path, target)
        if found is not None and isinstance(found.loader, SourceFileLoader):
            found.loader = _AppSource(fullname, str(found.origin), self)
        return found

    def prepare(self, module: ModuleType) -> None:
        """Note a module that is about to be run, and let it import in its own app."""
        self.loaded[module.__name__] = module
        vars(module)["__builtins__"] = self._builtins


class _AppSource(SourceFileLoader):
    """Loads a source file as a part of its app."""

    def __init__(self, fullname: str, path: str, owner: AppModules) -> None:
        super().__init__(fullname, path)
        self._owner = owner

    def exec_module(self, module: ModuleType) -> None:
        self._owner.prepare(module)
        super().exec_module(module)


def _importable(folder: Path) -> Iterator[str]:
    """The names under which something in a folder can be imported."""
    for entry in os.scandir(folder):
        name = entry.name.partition(".")[0]
        if name.isidentifier() and (entry.name.endswith(_SUFFIXES) or _is_package(entry)):
            yield name


def _is_package(entry: "os.DirEntry[str]") -> bool:
    if not entry.is_dir() or entry.name.startswith("."):
        return False
    return any(inner.suffix in _SUFFIXES for inner in Path(entry.path).iterdir())
