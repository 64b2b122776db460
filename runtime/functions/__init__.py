"""Runs Durable Functions apps of the Python programming models as they are; extra `functions`."""

from .errors import FunctionsError as FunctionsError
from .host import host as host
from .host_keys import HostKeys as HostKeys
from .kernel import kernel_app as kernel_app
from .loader import load as load
from .model import Binding as Binding
from .model import Function as Function
from .model import FunctionsApp as FunctionsApp

__all__ = [
    "Binding",
    "Function",
    "FunctionsApp",
    "FunctionsError",
    "HostKeys",
    "host",
    "kernel_app",
    "load",
]
