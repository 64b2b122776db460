"""URLs of stores."""

from pathlib import Path

import pytest

from perdure.actors.errors import StoreError
from perdure.persistence.memory import MemoryStore
from perdure.persistence.opening import open_store
from perdure.persistence.sqlite import SQLiteStore


def test_memory_is_new_each_time() -> None:
    first, second = open_store("memory://"), open_store("memory://")
    assert isinstance(first, MemoryStore)
    assert first is not second
    assert first.location == "memory://"


def test_three_slashes_lead_to_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///hub.db")
    assert (tmp_path / "hub.db").exists()
    assert store.location == f"sqlite:///{tmp_path}/hub.db"
    store.close()


def test_four_slashes_lead_to_an_absolute_path(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/hub.db", durability="relaxed")
    assert (tmp_path / "hub.db").exists()
    store.close()


def test_a_location_opens_the_same_store(tmp_path: Path) -> None:
    store = open_store(tmp_path / "hub.db")
    assert isinstance(store, SQLiteStore)
    again = open_store(store.location)
    assert again.location == store.location
    store.close()
    again.close()


@pytest.mark.parametrize("url", ["", "hub.db", "mysql://host/hub", "SQLITE", "sqlite3:///hub.db"])
def test_an_unknown_scheme_names_the_known_ones(url: str) -> None:
    with pytest.raises(StoreError, match="supported are memory://, sqlite:///"):
        open_store(url)


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite://hub.db", "sqlite:///:memory:", "sqlite:///a?b=c"]
)
def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="does not name a file"):
        open_store(url)


def test_memory_has_no_place() -> None:
    with pytest.raises(StoreError, match="leave it out"):
        open_store("memory://here")
