"""The whole runtime in one thread, under virtual time and one seed, and all that can fail."""

from .choices import Chances as Chances
from .door import UNKNOWN as UNKNOWN
from .faults import Faults as Faults
from .labour import InjectedError as InjectedError
from .process import DisconnectedError as DisconnectedError
from .simulate import SimulationFailure as SimulationFailure
from .simulate import SimulationReport as SimulationReport
from .simulate import simulate as simulate
from .world import Ended as Ended

__all__ = [
    "UNKNOWN",
    "Chances",
    "DisconnectedError",
    "Ended",
    "Faults",
    "InjectedError",
    "SimulationFailure",
    "SimulationReport",
    "simulate",
]
