"""The command: `python -m perdure.lint`."""

import argparse
import sys
from collections.abc import Sequence

from .linting import lint
from .report import as_json, as_text, summary
from .rules import RULES, Rule

CLEAN, FOUND, MISUSED = 0, 1, 2


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m perdure.lint") -> int:
    """Lint what the arguments name; gives the exit status: 0 clean, 1 findings, 2 misuse."""
    parser = _parser(prog)
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as end:  # After --help, or a word on what was wrong.
        return CLEAN if not end.code else MISUSED
    codes: list[str] = [code for text in arguments.ignore for code in text.upper().split(",")]
    try:
        for code in codes:
            _known(code)
        if arguments.explain:
            _say("\n\n".join(_explained(rule) for rule in _known(arguments.explain.upper())))
            return CLEAN
        findings = lint(arguments.paths, ignore=codes)
    except (FileNotFoundError, LookupError) as error:
        sys.stderr.write(f"{parser.prog}: {error.args[0]}\n")
        return MISUSED
    if arguments.json:
        _say(as_json(findings))
    else:
        _say("\n".join([*as_text(findings), summary(findings)]))
    return FOUND if findings else CLEAN


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog, description="Find what would not survive a replay in the code of orchestrators."
    )
    parser.add_argument("paths", nargs="*", default=["."], help="files and folders (default: .)")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="CODES",
        help="leave out codes that begin so, as in PER118 or PER1,PER2",
    )
    parser.add_argument("--explain", metavar="CODE", help="say what a code is for, and stop")
    return parser


def _known(start: str) -> list[Rule]:
    rules = [rule for code, rule in RULES.items() if start and code.startswith(start)]
    if not rules:
        raise LookupError(f"there is no code {start!r}; there are {', '.join(RULES)}")
    return rules


def _explained(rule: Rule) -> str:
    words = {"it": "...", "ctx": "ctx", "await": "await"}
    return f"{rule.code}: {rule.finds}\n  {rule.why}\n  instead: {rule.fix.format_map(words)}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
