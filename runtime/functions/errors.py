"""What can be wrong with a Functions app or its settings."""

from perdure.actors.errors import PerdureError


class FunctionsError(PerdureError):
    """Raised when a Functions app cannot be run as it stands; the message says what to change."""
