"""The JSON files beside an app, as the Functions tools read them: comments and commas allowed."""

import json
import re
from pathlib import Path
from typing import Any, cast

from .errors import FunctionsError

_TEXT_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TEXT_OR_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)


def read_object(path: Path) -> dict[str, Any] | None:
    """The object in a file, or None when there is no such file; raises `FunctionsError`."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise FunctionsError(f"{path} cannot be read: {error}") from error
    try:
        content: object = json.loads(plain(text))
    except json.JSONDecodeError as error:
        raise FunctionsError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise FunctionsError(f"{path} holds {type(content).__name__}, not an object in braces")
    return cast("dict[str, Any]", content)


def plain(text: str) -> str:
    """The text without comments, and without commas before a closing bracket; lines stay."""
    without = _TEXT_OR_COMMENT.sub(lambda m: m[0] if m[0][0] == '"' else _lines(m[0]), text)
    return _TEXT_OR_COMMA.sub(lambda m: m[0] if m[0][0] == '"' else "", without)


def _lines(comment: str) -> str:
    return " " + "\n" * comment.count("\n")
