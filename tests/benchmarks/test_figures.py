"""What is made of single measurements: medians, ratios, and texts."""

import json
import math

import pytest
from attrs import evolve

from perdure.cli.bench.figures import COLUMNS, Figures, beside, extras, middle, percentile

ROW = Figures(
    "hello",
    "memory",
    "asyncio",
    3,
    2,
    1.0,
    3.0,
    1.5,
    2.5,
    40.0,
    5,
    0.5,
    24,
    20.8,
    math.nan,
    math.nan,
)


def rated(*rates: float) -> list[Figures]:
    return [evolve(ROW, per_second=rate) for rate in rates]


@pytest.mark.parametrize(("part", "value"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)])
def test_a_percentile_is_one_of_the_values(part: float, value: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], part) == value


def test_the_middle_has_each_figures_median() -> None:
    rows = [evolve(row, extra={"late_ms": 10 / row.per_second}) for row in rated(5, 1, 2)]
    expected = evolve(ROW, per_second=2, extra={"late_ms": 5})
    assert middle(rows).document() == expected.document()


def test_each_rate_is_compared_with_its_own_floor() -> None:
    found = beside(rated(10, 20, 90), rated(100, 50, 100))
    assert (found.slowest, found.middle.per_second, found.fastest) == (10, 20, 90)
    assert found.ratio == 0.4
    assert found.document()["floor_per_second"] == 100


def test_without_a_floor_there_is_no_ratio() -> None:
    document = beside(rated(10), []).document()
    assert document["floor_ratio"] is None
    assert document["floor_per_second"] is None


def test_what_nobody_counted_is_null_or_a_dash() -> None:
    assert json.loads(json.dumps(ROW.document(), allow_nan=False))["bytes_written"] is None
    shown = {column.heading: column.text(ROW) for column in COLUMNS}
    assert (shown["bytes/event"], shown["CPU µs/event"]) == ("-", "20.8")
    assert (
        extras(evolve(ROW, extra={"late_ms": 1.0, "first_ms": 2.5}))
        == "late_ms 1.00, first_ms 2.50"
    )
