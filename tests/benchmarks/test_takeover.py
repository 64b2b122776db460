"""How soon the instances of a killed worker answer elsewhere: measured, judged, shown."""

import json

import psycopg
import pytest
from attrs import evolve
from benchmarks import beside_dbos, database, scaleout, takeover
from benchmarks.killing import Passed
from benchmarks.takeover import Takeover

from private_postgres import PrivatePostgres

SHOWN = Takeover(
    lease=2.0,
    instances=10_000,
    owned=2.25,
    owned_lowest=2.0,
    owned_highest=3.5,
    raised=1.0,
    answered=4.0,
    answered_lowest=3.0,
    answered_highest=6.25,
)


def test_another_worker_answers_after_the_lease(postgres: PrivatePostgres) -> None:
    told: list[str] = []
    # What a URL says of a hub's shape is not what is measured.
    url = f"{postgres.url}&partitions=7&lease=50&hub=somebodys"
    (row,) = takeover.takeover(url, told.append, leases=(1.0,), instances=40)
    assert told == ["take-over with a lease of 1 s, 1 of 1"]
    assert (row.lease, row.instances) == (1, 40)
    # It is killed right after a heartbeat, so that its whole lease has to pass.
    assert 0.5 < row.owned <= row.answered
    with psycopg.connect(postgres.url) as link:
        left = link.execute(
            "SELECT nspname FROM pg_catalog.pg_namespace"
            " WHERE nspname LIKE 'bench%' OR nspname = 'somebodys'"
        )
        assert left.fetchall() == []


def test_repeated_deaths_give_a_median_and_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter([(2.0, 3.0), (10.0, 12.0), (2.5, 6.0), (10.5, 11.0), (2.25, 4.0), (11.0, 14.0)])
    leases: list[float] = []

    def die(_: str, lease: float, __: int) -> Passed:
        leases.append(lease)
        owned, answered = next(turns)
        return Passed(owned, 1.0, answered)

    monkeypatch.setattr(takeover, "once", die)
    short, long = takeover.takeover("postgresql://here", lambda _: None, repeat=3)
    assert leases == [2, 10] * 3
    assert (short.owned_lowest, short.owned, short.owned_highest) == (2, 2.25, 2.5)
    assert (long.answered_lowest, long.answered, long.answered_highest) == (11, 12, 14)


@pytest.mark.parametrize(
    ("lease", "answered", "verdict"),
    [
        (2.0, 4.99, "< 5 s: met"),
        (2.0, 6.25, "< 5 s: **missed** (80%)"),
        (10.0, 12.9, "< 13 s: met"),
    ],
)
def test_all_answer_three_seconds_after_the_lease(
    lease: float, answered: float, verdict: str
) -> None:
    row = evolve(SHOWN, lease=lease, answered=answered)
    assert row.verdict == verdict
    assert row.document()["met"] is verdict.endswith("met")


def test_a_takeover_is_printed_or_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object, **__: object) -> list[Takeover]:
        return [SHOWN]

    monkeypatch.setattr(takeover, "takeover", run)
    database.show_takeover("postgresql://here", 1, lambda _: None, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split("|")[1:6] == [
        *(" 2       ", " 10,000    ", " 2.25              ", " 2.00 to 3.50      "),
        " 1.00               ",
    ]
    database.show_takeover("postgresql://here", 1, lambda _: None, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["answered"], shown["limit"], shown["met"]) == (4, 5, True)


def test_the_page_tells_of_each_death_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def die(*_: object) -> Passed:
        return Passed(2.0, 1.0, 3.0)

    def nothing(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(takeover, "once", die)
    monkeypatch.setattr(scaleout, "scaleout", nothing)
    monkeypatch.setattr(scaleout, "LOADS", ())
    monkeypatch.setattr(beside_dbos, "missing", lambda: "it is not there")
    page = database.section(3, told.append, "postgresql://here")
    assert len(told) == database.measurements(3) == 4
    assert "| 10      | 10,000    | 2.00 " in page
