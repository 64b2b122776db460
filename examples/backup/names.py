"""File names as JSON text: on disk they are bytes, and not all of them are Unicode."""

import os
import re

_ESCAPED = re.compile(rb"\\(\\|x[0-9a-f]{2})")


def shown(path: str) -> str:
    r"""The path as printable Unicode: a backslash is doubled, any other odd byte is like `\xff`."""
    if path.isprintable() and "\\" not in path:
        return path
    return "".join(_shown(character) for character in path)


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def original(text: str) -> str:
    """The path that `shown` was given."""
    return os.fsdecode(_ESCAPED.sub(_byte, text.encode()))


def _byte(escape: re.Match[bytes]) -> bytes:
    what = escape[1]
    return what if what == b"\\" else bytes.fromhex(what[1:].decode())
