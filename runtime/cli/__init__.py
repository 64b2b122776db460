"""The command line `perdure`; extra `cli`."""

import sys

__all__ = ["main"]

_EXTRA = {"httpx", "rich", "typer"}


def main() -> None:
    """Run the command line, or say what to install for it."""
    try:
        from .program import program  # noqa: PLC0415 - without the extra this fails
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.exit(f"perdure: the command line needs {error.name}: pip install 'perdure[cli]'")
    program(prog_name="perdure")
