# ruff: noqa: T201 - a program tells its figures
"""Simulate the bank for as long as you like: `python tests/simulation/soak.py SECONDS [SEED]`."""

import sys
import time

from perdure.testing import SimulationFailure, SimulationReport, simulate
from simulated_bank import CLIENTS, bank

TOLD_EVERY = 60.0


def soak(seconds: float, first_seed: int = 0) -> SimulationReport:
    """Run seeds from the first one on for so long; raises `SimulationFailure`."""
    told = time.monotonic()

    def tell(report: SimulationReport) -> None:
        nonlocal told
        if time.monotonic() - told >= TOLD_EVERY:
            told = time.monotonic()
            print(report, file=sys.stderr, flush=True)

    return simulate(bank, CLIENTS, first_seed=first_seed, seconds=seconds, progress=tell)


if __name__ == "__main__":
    first = int(sys.argv[2]) if sys.argv[2:] else 1_000_000
    try:
        print(soak(float(sys.argv[1]), first))
    except SimulationFailure as failure:
        sys.exit(str(failure))
