"""The tail of the code is guarded: sizes, names, and nothing left lying about.

An exception has a reason, and an exception that is no longer needed fails: limits only get tighter.
"""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from attrs import field, frozen

ROOT = Path(__file__).parents[1]
FOLDERS = ("actors", "persistence", "runtime", "benchmarks", "tests", "examples")
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 50

LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
REAL_SLEEPS: dict[str, str] = {}

NAMELESS = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
# Put together here, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
PROSE = (".py", ".sql", ".md", ".toml")

AT_THE_ROOT = {
    ".ci",
    ".git",
    ".gitattributes",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "actors",
    "benchmarks",
    "docs",
    "examples",
    "persistence",
    "pyproject.toml",
    "runtime",
    "tests",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@frozen
class Source:
    """One Python file of the repository."""

    name: str
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)


def sources() -> Iterator[Source]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text("utf-8")
            yield Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text, str(path)))


SOURCES = list(sources())


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Give every function with its qualified name, also those inside functions."""
    for node in ast.iter_child_nodes(tree):
        inner = prefix
        if isinstance(node, Function | ast.ClassDef):
            inner = f"{prefix}{node.name}."
        if isinstance(node, Function):
            yield f"{prefix}{node.name}", node
        yield from functions(node, inner)


def length(function: Function) -> int:
    """Count the lines of a function, from `def` to its end, without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        text = function.body[0]
        lines -= (text.end_lineno or text.lineno) - text.lineno + 1
    return lines


def judge(found: dict[str, str], allowed: dict[str, str]) -> None:
    """Fail for what is found and not allowed, and for what is allowed and no longer found."""
    assert not {name: why for name, why in found.items() if name not in allowed}
    assert not allowed.keys() - found.keys(), "no longer needed: take these exceptions away"


def test_no_file_is_too_long() -> None:
    lines = {source.name: source.text.count("\n") for source in SOURCES}
    judge({name: f"{n} lines" for name, n in lines.items() if n > FILE_LINES_MAX}, LONG_FILES)


def test_no_function_is_too_long() -> None:
    found = {
        f"{source.name}::{name}": f"{length(function)} lines"
        for source in SOURCES
        for name, function in functions(source.tree)
        if length(function) > FUNCTION_LINES_MAX
    }
    judge(found, LONG_FUNCTIONS)


def test_every_file_is_named_after_what_it_holds() -> None:
    vague = [
        source.name
        for source in SOURCES
        if NAMELESS & set(re.split(r"[/_.]", source.name.removesuffix(".py")))
    ]
    assert not vague


def test_nothing_is_marked_as_unfinished() -> None:
    texts = {source.name: source.text for source in SOURCES}
    for path in [*ROOT.glob("*"), *(ROOT / "docs").rglob("*"), *ROOT.glob("persistence/*.sql")]:
        if path.suffix in PROSE:
            texts[path.relative_to(ROOT).as_posix()] = path.read_text("utf-8")
    marks = [
        f"{name}:{number}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not marks


def test_the_root_holds_only_what_is_known() -> None:
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").split()]
    stray = [
        path.name
        for path in ROOT.iterdir()
        if path.name not in AT_THE_ROOT
        and not any(fnmatch(path.name, pattern) for pattern in ignored)
    ]
    assert not stray


def test_no_test_sleeps_in_real_time() -> None:
    """A sleep in a test is a missing hook: use the virtual clock, or wait for what happens.

    Inside an orchestrator `anyio.sleep` is a durable timer, and below tests/actors no loop runs.
    """
    found = {
        source.name: f"line {call.lineno}: {ast.unparse(call)}"
        for source in SOURCES
        if source.name.startswith("tests/")
        for call in sleeps(
            source.tree, origins(source.tree), durable=source.name.startswith("tests/actors/")
        )
    }
    judge(found, REAL_SLEEPS)


def origins(tree: ast.AST) -> dict[str, str]:
    """Say for each imported name where it is from: `pause` -> `time.sleep`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def origin(call: ast.Call, names: dict[str, str]) -> str:
    """Give the full name of the called function, whatever it was imported as."""
    first, dot, rest = ast.unparse(call.func).partition(".")
    return names.get(first, first) + dot + rest


def sleeps(tree: ast.AST, names: dict[str, str], *, durable: bool) -> Iterator[ast.Call]:
    """Find the calls that let real time pass."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and lets_time_pass(node, names, durable=durable):
            yield node
        inside = durable or (isinstance(node, Function) and is_orchestrator(node))
        yield from sleeps(node, names, durable=inside)


def lets_time_pass(call: ast.Call, names: dict[str, str], *, durable: bool) -> bool:
    if [ast.unparse(argument) for argument in call.args] == ["0"]:
        return False
    name = origin(call, names)
    if name in {"anyio.sleep", "anyio.sleep_until"}:
        return not durable
    return name in {"time.sleep", "asyncio.sleep", "trio.sleep", "trio.sleep_until"}


def is_orchestrator(function: Function) -> bool:
    """Recognise orchestrators, and the functions they call, by the context that they take."""
    parameters = [*function.args.posonlyargs, *function.args.args]
    return any(
        parameter.annotation is not None
        and "OrchestrationContext" in ast.unparse(parameter.annotation)
        for parameter in parameters
    )
