"""What fast scores decide and what they leave open, against a comparison of every score with every threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ranking_problems import MODEST, SEEDS

from mteb_hybrid.above import Above
from mteb_hybrid.arrays import Mask, as_tensor, padded


@pytest.mark.parametrize("share", ["few", "many"])
@pytest.mark.parametrize("module", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@given(SEEDS, st.integers(1, 9), st.sampled_from([0.0, 0.5, 3.0]))
@MODEST
def test_counts_and_what_is_near(module, share, seed, slots, bound):
    """Above ``upper`` is counted, from ``lower`` to ``upper`` is left to be decided, and nothing else is.

    Whether few scores reach the thresholds or many; queries may have fewer relevant passages than others.
    """
    rng = np.random.default_rng(seed)
    rows, sizes = 4, rng.integers(1, 60, size=3).tolist()
    goals = np.sort(rng.integers(*((98, 120) if share == "few" else (0, 90)), size=(rows, slots)), axis=1)
    threshold = np.where(np.arange(slots) < rng.integers(1, slots + 1, size=(rows, 1)), goals, np.inf)
    lower, upper = (module((threshold + sign * bound).astype(np.float32)) for sign in (-1, 1))
    above = Above(lower, upper, 2, (Mask(), Mask()))
    counts, near, first = np.zeros((2, rows, slots), dtype=int), [], 10
    for number, size in enumerate(sizes):
        segment = number % 2
        scores = np.full((rows, padded(size)), -np.inf, dtype=np.float32)
        scores[:, :size] = rng.integers(0, 100, size=(rows, size))
        above.offer(module(scores), first, segment)
        against = scores[:, None, :], threshold[:, :, None]
        counts[segment] += (against[0] > against[1] + bound).sum(axis=2)
        row, slot, column = np.nonzero(np.abs(against[0] - against[1]) <= bound)
        near += zip([segment] * len(row), row.tolist(), slot.tolist(), (column + first).tolist(), strict=True)
        first += size
    found = above.near()
    assert as_tensor(above.counts).tolist() == counts.tolist()
    assert sorted(zip(*(as_tensor(array).tolist() for array in found), strict=True)) == sorted(near)
    above.add(found)
    for segment, row, slot, _ in near:
        counts[segment, row, slot] += 1
    assert as_tensor(above.counts).tolist() == counts.tolist()
