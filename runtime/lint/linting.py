"""Lints files: every check at every place that an orchestrator reaches."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .finding import Finding
from .impurity import activities_as_functions, impure_names
from .modules import Library, Module, Unreadable, python_files
from .orchestrators import functions
from .order import sets_gone_through, sets_picked_from
from .outside import changes_outside
from .places import Place, places
from .reach import Visit, visits
from .remarks import Remark
from .rules import RULES
from .scopes import CONTEXT, Definition, Project, Scope
from .waiting import caught_cancellations, endless_loops, ends_otherwise, tasks_nobody_awaits

Check = Callable[[Place], Iterator[Remark]]

_CHECKS: tuple[Check, ...] = (
    impure_names,
    activities_as_functions,
    sets_gone_through,
    sets_picked_from,
    tasks_nobody_awaits,
    caught_cancellations,
    changes_outside,
)

_REGISTERS = re.compile("orchestrat|activity|entity", re.IGNORECASE)
"""Without such a word no function of a file is an orchestrator, and none is registered."""


def lint(paths: Iterable[str | Path], *, ignore: Iterable[str] = ()) -> list[Finding]:
    """Find what would not survive a replay, in the files and below the folders given.

    Nothing is imported or run. Helpers that orchestrators call are read too, also in other modules
    of the project; `# noqa: PER101` on a line silences it there. Codes that begin as one of
    `ignore` does are left out. Raises `FileNotFoundError` for a path that is not there, and when
    there is no Python file below any.
    """
    given = [Path(path) for path in paths]
    library = Library(path for path in given if path.is_dir())
    files = list(dict.fromkeys(file for path in given for file in python_files(path)))
    if not files:
        shown = ", ".join(map(str, given))
        raise FileNotFoundError(f"there is no Python file in {shown or 'no path at all'}")
    read = [library.module(file) for file in files]
    project = Project(library)
    definitions: list[Definition] = []
    for module in read:
        if isinstance(module, Module) and _REGISTERS.search(module.text):
            definitions += functions(project.scope(module), module.tree.body)
    found = [_unreadable(module) for module in read if isinstance(module, Unreadable)]
    for visit in visits(definitions):
        found += _findings(visit)
    left_out = tuple(ignore)
    kept = {f for f in found if not (left_out and f.code.startswith(left_out))}
    return sorted(kept)


def _findings(visit: Visit) -> Iterator[Finding]:
    module = visit.definition.module
    inside = list(places(visit.place))
    checks = list(_CHECKS)
    stays = visit.registered and not visit.ends_otherwise
    if stays and not any(ends_otherwise(place) for place in inside):
        checks.append(endless_loops)
    for place in inside:
        for check in checks:
            for remark in check(place):
                finding = _finding(remark, visit, place.scope)
                if not module.silences(remark.code, finding.line, finding.end_line):
                    yield finding


def _finding(remark: Remark, visit: Visit, scope: Scope) -> Finding:
    definition, rule = visit.definition, RULES[remark.code]
    line, column, end_line, end_column = _extent(remark.node)
    words = {
        "it": remark.it,
        "ctx": _context_name(scope),
        "await": visit.waits_with,
    }
    source = definition.module.lines[line - 1]
    return Finding(
        definition.module.path,
        line,
        # The parser counts bytes.
        len(source.encode()[:column].decode()) + 1,
        remark.code,
        end_line,
        len(definition.module.lines[end_line - 1].encode()[:end_column].decode()) + 1,
        rule.says.format_map(words),
        rule.why,
        (remark.fix or rule.fix).format_map(words),
        (*visit.way, definition.name),
        source,
    )


def _extent(node: ast.AST) -> tuple[int, int, int, int]:
    """Where a node begins and ends; of a compound statement only its first line counts."""
    assert isinstance(node, ast.expr | ast.stmt | ast.excepthandler)  # noqa: S101 - all we remark
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
    if isinstance(node, ast.While | ast.For | ast.excepthandler):
        head = node.test if isinstance(node, ast.While) else None
        head = node.iter if isinstance(node, ast.For) else head
        head = node.type if isinstance(node, ast.ExceptHandler) else head
        end_line = (head and head.end_lineno) or node.lineno
        end_column = (head and head.end_col_offset) or node.col_offset + len("except")
    return node.lineno, node.col_offset, end_line, end_column


def _context_name(scope: Scope) -> str:
    """What the context is called there, or would best be called."""
    around: Scope | None = scope
    while around is not None:
        for name in around.names:
            if around.parent is not None and around.named(name) == CONTEXT:
                return name
        around = around.parent
    return "ctx"


def _unreadable(file: Unreadable) -> Finding:
    rule = RULES["PER100"]
    return Finding(
        file.path,
        file.line,
        file.column,
        rule.code,
        file.line,
        file.column + 1,
        rule.says.format(it=file.problem),
        rule.why,
        rule.fix,
        (),
        file.source,
    )
