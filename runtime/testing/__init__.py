"""The test kit: an App under virtual time, stubs, crashes, whole simulations, replay."""

from perdure.runtime.fitting import Misfit as Misfit
from perdure.runtime.fitting import NewWork as NewWork
from perdure.runtime.store_check import StoreCheck as StoreCheck
from perdure.runtime.store_check import check_store as check_store

from .clock import VirtualClock as VirtualClock
from .crash_point import CrashPoint as CrashPoint
from .crash_points import CrashPointError as CrashPointError
from .crash_points import CrashReport as CrashReport
from .crash_points import crash_everywhere as crash_everywhere
from .end_state import EndState as EndState
from .end_state import EntityEnd as EntityEnd
from .end_state import InstanceEnd as InstanceEnd
from .end_state import exact as exact
from .end_state import masked as masked
from .environment import Environment as Environment
from .replaying import Replayed as Replayed
from .replaying import replay as replay
from .simulation import Chances as Chances
from .simulation import DisconnectedError as DisconnectedError
from .simulation import Ended as Ended
from .simulation import Faults as Faults
from .simulation import InjectedError as InjectedError
from .simulation import SimulationFailure as SimulationFailure
from .simulation import SimulationReport as SimulationReport
from .simulation import simulate as simulate

__all__ = [
    "Chances",
    "CrashPoint",
    "CrashPointError",
    "CrashReport",
    "DisconnectedError",
    "EndState",
    "Ended",
    "EntityEnd",
    "Environment",
    "Faults",
    "InjectedError",
    "InstanceEnd",
    "Misfit",
    "NewWork",
    "Replayed",
    "SimulationFailure",
    "SimulationReport",
    "StoreCheck",
    "VirtualClock",
    "check_store",
    "crash_everywhere",
    "exact",
    "masked",
    "replay",
    "simulate",
]
