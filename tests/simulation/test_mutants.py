"""The checker finds planted bugs; the same seeds without them are in test_simulating.py."""

import pytest

from mutants import MUTANTS, Mutate
from perdure.testing import Faults, SimulationFailure, simulate
from simulated_bank import CLIENTS, bank


@pytest.mark.parametrize(
    ("mutate", "faults", "seeds"), MUTANTS, ids=[mutate.__name__ for mutate, *_ in MUTANTS]
)
def test_a_broken_engine_is_found_out(
    monkeypatch: pytest.MonkeyPatch, mutate: Mutate, faults: Faults, seeds: int
) -> None:
    mutate(monkeypatch.setattr)
    with pytest.raises(SimulationFailure) as found:
        simulate(bank, CLIENTS, seeds=seeds, faults=faults, shrink=False)
    assert "breaks down" not in found.value.problems[0]
