"""The list that all who have nothing share stays empty."""

import pytest

from perdure.actors.emptiness import NOTHING, added


def test_nothing_can_be_put_into_nothing() -> None:
    items: list[int] = NOTHING
    with pytest.raises(TypeError, match="added"):
        items.append(1)
    with pytest.raises(TypeError, match="added"):
        items.extend([1])
    with pytest.raises(TypeError, match="added"):
        items += [1]
    with pytest.raises(TypeError, match="added"):
        items[:0] = [1]
    assert NOTHING == []


def test_adding_to_nothing_makes_a_list_of_ones_own() -> None:
    mine, yours = added(NOTHING, 1), added(NOTHING, 2)
    assert (added(mine, 3), yours) == ([1, 3], [2])
    assert NOTHING == []
