"""`perdure doctor`: is this store well, and what to do if it is not."""

from collections.abc import Iterator

import typer
from attrs import asdict
from rich.text import Text

from perdure.persistence.opening import without_psycopg

from .doctor_of_files import file_findings
from .ending import FAILED
from .findings import Finding
from .printing import Printer
from .session import Session
from .stores import Database, existing

_MARKS = {"ok": ("✓", "green"), "note": ("•", "yellow"), "problem": ("✗", "bold red")}


def doctor(session: Session) -> None:
    """Check a store, live or at rest, without changing it; exit status 1 tells of problems."""
    findings = [*_findings(session)]
    for finding in findings:
        _show(session.printer, finding)
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(FAILED)


def _findings(session: Session) -> Iterator[Finding]:
    place = session.store("doctor", exists=False)
    if isinstance(place, Database):
        try:
            from .doctor_of_databases import database_findings  # noqa: PLC0415 - of an extra
        except ImportError as error:
            raise without_psycopg(error) from error
        return database_findings(place.url, session.printer)
    # A file that other commands refuse to work with is something to tell here.
    if not place.is_file():
        existing(place)
    return file_findings(place, session.printer)


def _show(printer: Printer, finding: Finding) -> None:
    if printer.as_json:
        printer.document(asdict(finding))
        return
    mark, style = _MARKS[finding.level]
    mark = mark if not printer.paper.options.ascii_only else finding.level
    line = Text.assemble((mark, style), " ", (finding.check, "bold"), " ", finding.message)
    if finding.fix is not None:
        line.append(f"\n  {finding.fix}", "italic")
    printer.show(line)
