"""Runs Durable Functions apps of the Python programming models as they are; extra `functions`."""

from .errors import FunctionsError as FunctionsError
from .loader import load as load
from .model import Binding as Binding
from .model import Function as Function
from .model import FunctionsApp as FunctionsApp

__all__ = [
    "Binding",
    "Function",
    "FunctionsApp",
    "FunctionsError",
    "load",
]
