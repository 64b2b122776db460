"""Text that was damaged where it lay: how it is read, shown, and written back as it was.

One bad byte must not keep back whatever is read together with it. So a store that can suffer them
reads a byte that is no UTF-8 as half of a surrogate pair. Readers of events and payloads refuse
those, so that nothing goes on with damaged data.
"""

from operator import methodcaller

decoded = methodcaller("decode", "utf-8", "surrogateescape")
"""Text from its bytes, whatever they are; 0.1 µs more than SQLite's own strict way."""

encoded = methodcaller("encode", "utf-8", "surrogateescape")
"""The bytes that the text was read from."""


def legible(text: str) -> str:
    """The text with marks in place of its damaged bytes, for people."""
    if text.isascii():
        return text
    shown: str = encoded(text).decode("utf-8", "replace")
    return shown


def is_damaged(*texts: str | None) -> bool:
    """Whether one of them holds a damaged byte."""
    return any(text and legible(text) != text for text in texts)
