"""Where a page ends: tokens that name the last row, and prefixes as ranges of ids."""

import base64
import binascii
from collections.abc import Callable
from typing import TypeVar

import orjson

from .records import Page

Row = TypeVar("Row")
Key = tuple[int, str]
"""What rows are ordered by: creation and id; entities, ordered by id alone, have 0 in front."""

BEGINNING: Key = (-(2**63), "")

_SURROGATES_FIRST, _SURROGATES_LAST, _CODE_POINT_MAX = 0xD800, 0xDFFF, 0x10FFFF


class PageTokenError(ValueError):
    """Raised for a continuation token that no page can have given."""


def token_of(key: Key) -> str:
    """Return the token, safe in a header or a URL, for what follows this key."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode()


def key_of(token: str | None) -> Key:
    """Read a token; raises `PageTokenError` when it is none."""
    if token is None:
        return BEGINNING
    try:
        match orjson.loads(base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)):
            case [int(number), str(text)]:
                return number, text
            case _:
                pass
    except (binascii.Error, ValueError):
        pass
    raise PageTokenError(
        f"{token!r} is not a continuation token of this store: give one that a page came with"
    )


def checked_size(size: int) -> int:
    """Return how many rows to ask for, one more than the page holds: it tells whether more come."""
    if size < 1:
        raise ValueError(f"a page holds at least one row, not {size}")
    return size + 1


def page_of(rows: list[Row], size: int, key: Callable[[Row], Key]) -> Page[Row]:
    """Cut `rows`, of which there may be one too many, to a page."""
    if len(rows) <= size:
        return Page(rows, None)
    return Page(rows[:size], token_of(key(rows[size - 1])))


def prefix_end(prefix: str) -> str | None:
    """Return the smallest text beyond all that begin with `prefix`; None when nothing is.

    By code points, which is the order of UTF-8 bytes too.
    """
    for length in range(len(prefix), 0, -1):
        following = ord(prefix[length - 1]) + 1
        if _SURROGATES_FIRST <= following <= _SURROGATES_LAST:
            following = _SURROGATES_LAST + 1
        if following <= _CODE_POINT_MAX:
            return prefix[: length - 1] + chr(following)
    return None
