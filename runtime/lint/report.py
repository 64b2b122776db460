"""Shows findings: as text with the line of code and a caret, or as JSON."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from .finding import Finding


def as_text(findings: Iterable[Finding]) -> Iterator[str]:
    """One paragraph for each finding."""
    for finding in findings:
        number = str(finding.line)
        margin = " " * len(number)
        where = f"{_shown(finding.path)}:{finding.line}:{finding.column}"
        code = finding.source.expandtabs(4)
        lines = [
            f"{where}: {finding.code} {finding.message}",
            f"{margin} |",
            f"{number} | {code}",
            f"{margin} | {_caret(finding)}",
        ]
        if finding.way:
            lines.append(f"{margin} = in {' -> '.join(finding.way)}")
        lines.append(f"{margin} = {finding.why}")
        lines.append(f"{margin} = instead: {finding.fix}")
        yield "\n".join(lines) + "\n"


def as_json(findings: Iterable[Finding]) -> str:
    """A list of objects with the fields of `Finding`, but for the line of code."""
    return json.dumps(
        [
            {
                "path": str(_shown(finding.path)),
                "line": finding.line,
                "column": finding.column,
                "end_line": finding.end_line,
                "end_column": finding.end_column,
                "code": finding.code,
                "message": finding.message,
                "why": finding.why,
                "fix": finding.fix,
                "way": list(finding.way),
            }
            for finding in findings
        ],
        indent=2,
        ensure_ascii=False,
    )


def summary(findings: list[Finding]) -> str:
    """How many there are, in how many files."""
    if not findings:
        return "No findings."
    files = len({finding.path for finding in findings})
    found = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    return f"{found} in {'1 file' if files == 1 else f'{files} files'}."


def _caret(finding: Finding) -> str:
    before = finding.source[: finding.column - 1].expandtabs(4)
    on_one_line = finding.end_line == finding.line
    width = finding.end_column - finding.column if on_one_line else 0
    width = width or len(finding.source.rstrip()) - finding.column + 1
    return " " * len(before) + "^" * max(1, width)


def _shown(path: Path) -> Path:
    """The path as seen from here, if it is below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
