"""The random order that takes no memory: a bijection, and as good as random."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from mteb_hybrid.trainers.sampling import permutation
from mteb_hybrid.trainers.sampling.permutation import Permutation

SIZES = [1, 2, 3, 10, 255, 256, 257, 65_535, 65_536, 65_537, 65_600, 66_049, 66_050, 69_999, 70_000, 131_072, 250_001]


def network(size: int, key: Sequence[int], place: int) -> int:
    """What stands at a place: the network in Python's integers, one place at a time."""
    a = math.isqrt(size)
    b = math.ceil(size / a)
    bits, factors = (32, (0x9E3779B1, 0x85EBCA77)) if b < 2**16 else (64, (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93))
    state = np.random.SeedSequence([len(key), *key]).generate_state(8, np.dtype(f"u{bits // 8}"))

    def mixed(value: int, below: int) -> int:
        value = value * factors[0] % 2**bits
        value = (value ^ value >> bits // 2 - 3) * factors[1] % 2**bits
        return (value >> bits // 2) * below >> bits // 2

    while True:
        left, right = divmod(place, b)
        for turn, word in enumerate(state.tolist()):
            if turn % 2:
                right = (right + mixed(left ^ word, b)) % b
            else:
                left = (left + mixed(right ^ word, a)) % a
        place = left * b + right
        if place < size:
            return place


@pytest.mark.parametrize("size", [65_537, 70_000, 10**6 + 3, 2**32 - 2**17, 2**32 - 1, 2**32 + 1, 10**12])
def test_computed_orders_are_those_of_the_network(size):
    """For ever: whoever goes on with a training that an earlier version began meets the items in the same order."""
    places = np.random.default_rng(size).integers(size, size=200)
    for key in [(0,), (5, 6, 2**40)]:
        assert Permutation(size, key)(places).tolist() == [network(size, key, place) for place in places.tolist()]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("table", [True, False])
def test_every_thing_stands_at_one_place(size, table, monkeypatch):
    """Each number below the size comes once, whether the order is a table's or computed."""
    monkeypatch.setattr(permutation, "_TABLE", size if table and size <= 2**16 else 0)
    order = Permutation(size, (1, 2))(np.arange(size))
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(size))


@given(size=st.integers(1, 3_000), key=st.lists(st.integers(0, 2**63 - 1), max_size=4))
@settings(max_examples=40, deadline=None)
def test_computed_orders_are_bijections_for_any_size_and_key(size, key):
    """Also where halves have a few values only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(permutation, "_TABLE", 0)
        order = Permutation(size, key)(np.arange(size))
    assert np.array_equal(np.sort(order), np.arange(size))


@pytest.mark.parametrize("size", [2**32 - 2**17, 2**32 - 1, 2**32, 2**32 + 1, 10**10, 2**61])
def test_far_sizes_stay_within_bounds_and_repeat_nothing(size):
    """Around the largest sizes of 32-bit words, and beyond, places at both ends lead to different things in range."""
    places = np.concatenate([np.arange(50_000), np.arange(size - 50_000, size)])
    order = Permutation(size, (3,))(places)
    assert order.min() >= 0
    assert order.max() < size
    assert len(np.unique(order)) == len(places)


def test_no_memory_for_a_huge_size():
    """Ten billion things cost a few kilobytes."""
    tracemalloc.start()
    order = Permutation(10**10, (0,))
    order(np.arange(100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("size", [50_000, 70_000, 5_000_000_000])
def test_keys_decide_and_only_they(size):
    """The same key gives the same order; other keys, also with a number more, orders that agree as chance has it."""
    places = np.arange(20_000)
    order = Permutation(size, (5, 6))(places)
    assert np.array_equal(order, Permutation(size, (5, 6))(places))
    for key in [(5, 7), (6, 5), (5, 6, 0), (5,), (5, 6, 1)]:
        assert (order == Permutation(size, key)(places)).sum() < 10


def test_shape_is_kept():
    """Places may be of any shape; their order does not matter."""
    order = Permutation(100_000, (1,))
    places = np.arange(60).reshape(3, 20)
    assert np.array_equal(order(places).ravel()[::-1], order(places.ravel()[::-1]))


@pytest.mark.parametrize("size", [70_000, 10**10])
def test_a_place_leads_anywhere(size):
    """Over keys, a place gets things from all over the range equally often, and two places any two things."""
    places = np.array([0, 1, 35_000, 69_999])
    found = np.array([Permutation(size, (key,))(places) for key in range(1_500)])
    for one in found.T:
        assert chisquare(np.bincount(one * 30 // size, minlength=30)).pvalue > 1e-3
    for first, second in [(0, 1), (0, 3), (1, 2)]:
        square = (found[:, first] * 6 // size) * 6 + found[:, second] * 6 // size
        assert chisquare(np.bincount(square, minlength=36)).pvalue > 1e-3


@pytest.mark.parametrize("size", [70_000, 2**32 - 2**17, 10**10])
def test_neighbours_are_independent(size):
    """Of one order, the things at neighbouring places differ by anything: no steps of a pattern."""
    order = Permutation(size, (9,))(np.arange(min(size, 200_000)))
    for distance in (1, 2, 256, 1_000):
        apart = (order[distance:] - order[:-distance]) % size
        assert chisquare(np.bincount(apart * 100 // size, minlength=100)).pvalue > 1e-3
