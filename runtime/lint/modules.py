"""Source files, and the modules that they import, found without importing anything."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import field, frozen

SKIPPED = {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"}
"""Folders that hold no code of the project's own; those that begin with a dot neither."""

LEVELS_MAX = 600
"""Of code in code; an expression with as many operators has as many levels."""

_NOQA = re.compile(
    r"#\s*noqa(?P<listed>\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*))?", re.IGNORECASE
)
_EVERYTHING = frozenset({""})
"""What every code begins with."""


@frozen(eq=False)
class Module:
    """One source file."""

    path: Path
    text: str = field(repr=False)
    lines: list[str] = field(repr=False)
    tree: ast.Module = field(repr=False)
    quiet: dict[int, frozenset[str]] = field(repr=False)
    """For each line with a `# noqa`: how the codes begin that it silences."""

    def silences(self, code: str, *lines: int) -> bool:
        """Whether a `# noqa` on one of the lines is for that code."""
        return any(
            code.startswith(start) for line in lines for start in self.quiet.get(line, frozenset())
        )


@frozen
class Unreadable:
    """A file that is no Python."""

    path: Path
    line: int
    column: int
    problem: str
    source: str


class Library:
    """The modules of the project, each parsed once."""

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._folders = list(folders)
        self._modules: dict[Path, Module | Unreadable] = {}

    def module(self, path: Path) -> Module | Unreadable:
        """The module in that file."""
        known = path.resolve()
        if known not in self._modules:
            self._modules[known] = _parsed(path)
        return self._modules[known]

    def imported(
        self, by: Module, name: str, level: int = 0
    ) -> tuple[Module | None, tuple[str, ...]]:
        """The module of the project that an import means, and the names inside it.

        `level` is the number of dots of a relative import. No module: it is somebody else's.
        """
        parts = tuple(name.split(".")) if name else ()
        if not level and (not parts or parts[0] in sys.stdlib_module_names):
            return None, parts
        for folder in by.path.resolve().parents[level - 1 : level] if level else self._roots(by):
            path, rest = _descend(folder, parts)
            if path is not None and isinstance(module := self.module(path), Module):
                return module, rest
        return None, parts

    def _roots(self, by: Module) -> Iterator[Path]:
        """Where absolute imports may begin: beside a script, above its package, at the top."""
        folder = by.path.parent
        while (folder / "__init__.py").is_file():
            folder = folder.parent
        yield folder
        for above in folder.resolve().parents:
            if (above / "pyproject.toml").is_file() or (above / ".git").exists():
                yield from (above, above / "src")
                break
        yield from self._folders


def python_files(path: Path) -> Iterator[Path]:
    """That file, or every Python file below that folder; raises `FileNotFoundError`."""
    if not path.is_dir():
        if not path.is_file():
            raise FileNotFoundError(f"there is no file or folder {path}")
        yield path
        return
    for inner in sorted(path.iterdir()):
        if inner.is_dir():
            if (
                inner.name not in SKIPPED
                and not inner.name.startswith(".")
                and not _leads_up(inner)
            ):
                yield from python_files(inner)
        elif inner.suffix == ".py":
            yield inner


def _leads_up(folder: Path) -> bool:
    """Whether it is a link to a folder that it lies in, where one would go round for ever."""
    return folder.is_symlink() and folder.resolve() in folder.absolute().parents


def _descend(folder: Path, parts: tuple[str, ...]) -> tuple[Path | None, tuple[str, ...]]:
    """Follow the parts of a dotted name as deep as there are files for them."""
    found = folder / "__init__.py" if (folder / "__init__.py").is_file() and not parts else None
    rest = parts
    for position, part in enumerate(parts, 1):
        package = folder / part / "__init__.py"
        for path in (package, folder / f"{part}.py"):
            if path.is_file():
                found, rest = path, parts[position:]
                break
        folder /= part
        if not folder.is_dir():
            break
    return found, rest


def _parsed(path: Path) -> Module | Unreadable:
    try:
        with tokenize.open(path) as file:
            text = file.read()
        tree = ast.parse(text, str(path))
    except OSError as error:
        return Unreadable(path, 1, 1, error.strerror or str(error), "")
    except (RecursionError, MemoryError):
        return _too_deep(path)
    except SyntaxError as error:
        source = (error.text or "").rstrip("\n")
        return Unreadable(path, error.lineno or 1, error.offset or 1, error.msg, source)
    except ValueError as error:  # Bytes that are no text, or a NUL.
        return Unreadable(path, 1, 1, str(error), "")
    if _is_deep(tree):
        return _too_deep(path)
    return Module(path, text, text.split("\n"), tree, dict(_silenced(text)))


def _too_deep(path: Path) -> Unreadable:
    return Unreadable(path, 1, 1, f"nested more than {LEVELS_MAX} levels deep", "")


def _is_deep(tree: ast.Module) -> bool:
    """Whether the checks, which go down level by level, would run out of stack."""
    level: list[ast.AST] = [tree]
    for _ in range(LEVELS_MAX):
        level = [inner for node in level for inner in ast.iter_child_nodes(node)]
        if not level:
            return False
    return True


def _silenced(text: str) -> Iterator[tuple[int, frozenset[str]]]:
    if "noqa" not in text.lower():
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and (found := _NOQA.search(token.string)):
            codes = re.split(r"[\s,]+", found["codes"].upper()) if found["listed"] else None
            yield token.start[0], frozenset(codes) if codes else _EVERYTHING
