"""How a measurement ends that nobody waits for any more: without a traceback."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

INTERRUPTED = 130
BROKEN_PIPE = 141


@contextmanager
def ending() -> Generator[None, None, None]:
    """Exit as a shell expects it, after Ctrl-C and when nobody reads the output any more."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # At its end Python would try once more, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
