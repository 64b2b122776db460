"""The law of the house: arrows go down only, and only `runtime` waits."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from attrs import field, frozen

ROOT = Path(__file__).parents[1]
# Longest prefix first: the doors lie inside runtime/ and are not part of it.
HOMES = {
    "runtime/face": "perdure",
    "runtime/testing": "perdure.testing",
    "runtime/http": "perdure.http",
    "runtime/cli": "perdure.cli",
    "runtime/functions": "perdure.functions",
    "runtime/telemetry": "perdure.telemetry",
    "runtime/lint": "perdure.lint",
    "runtime/pytest_plugin": "pytest_perdure",
    "actors": "perdure.actors",
    "persistence": "perdure.persistence",
    "runtime": "perdure.runtime",
}
MAY_IMPORT = {
    "actors": {"actors"},
    "persistence": {"persistence", "actors"},
    "runtime": {"runtime", "persistence", "actors"},
    "face": {"face", "runtime", "persistence", "actors"},
    "testing": {"testing", "face", "runtime", "persistence", "actors"},
    "http": {"http", "face", "runtime", "persistence", "actors"},
    "lint": {"lint"},
    "telemetry": {"telemetry", "face", "runtime", "persistence", "actors"},
    "functions": {"functions", "http", "face", "runtime", "persistence", "actors"},
    "cli": {"cli", "functions", "http", "lint", "face", "runtime", "persistence", "actors"},
    "pytest_perdure": {"pytest_perdure", "testing", "face"},
    # `python -m perdure` lies beside the face, and above everything.
    "__main__": {"cli"},
}
DOORS = MAY_IMPORT.keys() - {"actors", "persistence", "runtime"}
LOOPS = {"anyio", "asyncio", "sniffio", "trio", "uvloop"}
OUTSIDE = {
    "concurrent",
    "multiprocessing",
    "queue",
    "secrets",
    "select",
    "selectors",
    "signal",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
}
# The kernel as anyio sees it; which kernel that is differs from thread to thread.
EXEMPT = {"perdure.actors.anyio_backend": {"anyio", "sniffio", "threading"}}


@frozen
class Module:
    """One source file as the import system sees it."""

    name: str
    path: Path
    tree: ast.Module = field(repr=False)

    @property
    def package(self) -> str:
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @property
    def row(self) -> str:
        return row_of(self.name)


def row_of(name: str) -> str:
    """Say on which row of the house a module of ours lives."""
    if name in MAY_IMPORT:
        return name
    second = name.split(".")[1] if "." in name else ""
    return second if second in MAY_IMPORT else "face"


def modules() -> Iterator[Module]:
    for folder in ("actors", "persistence", "runtime"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__init__")
            home = next(home for home in HOMES if inside == home or inside.startswith(f"{home}/"))
            name = HOMES[home] + inside.removeprefix(home).replace("/", ".")
            yield Module(name, path, ast.parse(path.read_text("utf-8"), str(path)))


MODULES = {module.name: module for module in modules()}


def imported(module: Module, nodes: Iterator[ast.AST]) -> Iterator[tuple[int, str]]:
    """Give the line and the full name of each module that one of the nodes imports."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.package.split(".")
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield node.lineno, inner if inner in MODULES else source


def anywhere(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node: an import inside a function or under TYPE_CHECKING is an arrow too."""
    return ast.walk(tree)


def when_loaded(tree: ast.AST) -> Iterator[ast.AST]:
    """Give the nodes that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from when_loaded(node)


def where(module: Module, line: int) -> str:
    return f"{module.path.relative_to(ROOT)}:{line}"


def foreign(row: str, forbidden: set[str]) -> list[str]:
    return [
        f"{where(module, line)} imports {name}"
        for module in MODULES.values()
        if module.row == row
        for line, name in imported(module, anywhere(module.tree))
        if name.partition(".")[0] in forbidden - EXEMPT.get(module.name, set())
    ]


def test_imports_run_down_the_rows_only() -> None:
    upward = [
        f"{where(module, line)} imports {name}: {module.row} may import {MAY_IMPORT[module.row]}"
        for module in MODULES.values()
        for line, name in imported(module, anywhere(module.tree))
        if name.partition(".")[0] == "perdure" and row_of(name) not in MAY_IMPORT[module.row]
    ]
    assert not upward, "\n".join(upward)


def test_nothing_in_actors_can_wait() -> None:
    found = foreign("actors", LOOPS | OUTSIDE)
    assert not found, "\n".join(found)


def test_persistence_knows_no_loop() -> None:
    found = foreign("persistence", LOOPS)
    assert not found, "\n".join(found)


def test_actors_read_no_clock_and_draw_no_ids() -> None:
    """A turn is handed the time and its ids; otherwise a replay would be a different turn."""
    impure = {"now", "utcnow", "today", "uuid1", "uuid4", "urandom", "getrandbits"}
    found = [
        f"{where(module, node.lineno)} calls {ast.unparse(node.func)}"
        for module in MODULES.values()
        if module.row == "actors"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in impure
        and ast.unparse(node.func).partition(".")[0] in {"datetime", "date", "uuid", "os", "random"}
    ]
    assert not found, "\n".join(found)


def test_the_doors_have_one_name_each() -> None:
    """`perdure.runtime.testing` would be a second `perdure.testing`, with classes of its own."""
    inner = {f"perdure.runtime.{door}" for door in DOORS}
    second = [
        f"{where(module, line)} imports {name}"
        for module in MODULES.values()
        for line, name in imported(module, anywhere(module.tree))
        if ".".join(name.split(".")[:3]) in inner
    ]
    assert not second, "\n".join(second)


def test_rooms_import_relatively_and_doors_absolutely() -> None:
    """A door lies in another folder than its name says: a relative path from there misleads."""
    misleading = [
        f"{where(module, line)} imports {name}"
        for module in MODULES.values()
        for node in anywhere(module.tree)
        for line, name in imported(module, iter([node]))
        if name.partition(".")[0] == "perdure"
        and (row_of(name) != module.row or module.row not in DOORS)
        and (isinstance(node, ast.ImportFrom) and node.level > 0) == (module.row in DOORS)
    ]
    assert not misleading, "\n".join(misleading)


def test_own_modules_are_imported_by_names_that_exist() -> None:
    lost = [
        f"{where(module, line)} imports {name}"
        for module in MODULES.values()
        for line, name in imported(module, anywhere(module.tree))
        if name.partition(".")[0] == "perdure" and name not in MODULES
    ]
    assert not lost, "\n".join(lost)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        module.name: {name for _, name in imported(module, when_loaded(module.tree))} & set(MODULES)
        for module in MODULES.values()
    }
    # Raises CycleError, which shows the circle.
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("perdure", "face"),
        ("perdure.actors.kernel", "actors"),
        ("perdure.testing", "testing"),
        ("perdure.runtime.host", "runtime"),
    ],
)
def test_a_module_has_one_row(name: str, row: str) -> None:
    assert row_of(name) == row
