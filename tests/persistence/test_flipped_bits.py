"""A bit that flips in a file is told of, or changes nothing."""

from .flipped_bits import flip


def test_no_flipped_bit_is_silently_accepted() -> None:
    counts, unseen = flip(bits=60, seed=1)
    assert not unseen
    assert counts["told"] > 20
