"""The determinism lint: finds what a replay would not repeat, without importing the code."""

from .command import main as main
from .finding import Finding as Finding
from .linting import lint as lint
from .rules import RULES as RULES
from .rules import Rule as Rule

__all__ = ["Finding", "RULES", "Rule", "lint", "main"]
