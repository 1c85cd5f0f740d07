"""Who may be among the best, by fast scores, against a sort of all of them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ranking_problems import MODEST, SEEDS

from mteb_hybrid.arrays import Mask, padded
from mteb_hybrid.top_lists import Candidates


def block(scores: np.ndarray) -> np.ndarray:
    """Fast scores as the kernel has them: float32, rows padded with -inf."""
    whole = np.full((len(scores), padded(scores.shape[1])), -np.inf, dtype=np.float32)
    whole[:, : scores.shape[1]] = scores
    return whole


@pytest.mark.parametrize("module", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@given(SEEDS, st.integers(1, 30), st.sampled_from([0.0, 0.5, 3.0]), st.sampled_from([3, 40, 1000]))
@MODEST
def test_who_may_be_among_the_best(module, seed, k, bound, largest):
    """Whoever reaches what is known from before, and is at most two bounds below the k-th; nobody else is kept."""
    rng = np.random.default_rng(seed)
    rows, sizes = 4, rng.integers(1, 90, size=4).tolist()
    scores = [rng.integers(0, largest, size=(rows, size)) for size in sizes]
    least = rng.choice([-np.inf, 0, largest / 2, 2 * largest], size=(rows, 1)).astype(np.float32)
    top, first = Candidates(module(least), bound, k, Mask()), 10
    for some in scores:
        top.offer(module(block(some)), first)
        first += some.shape[1]
    everyone = np.concatenate(scores, axis=1)
    best = np.sort(everyone, axis=1)[:, -k:]
    goal = np.maximum(least, (best[:, :1] if best.shape[1] == k else -np.inf) - 2 * bound)
    row, number = (found.tolist() for found in top.best())
    assert row == sorted(row)
    expected = zip(*(place.tolist() for place in np.nonzero(everyone >= goal)), strict=True)
    assert sorted(zip(row, number, strict=True)) == [(one, column + 10) for one, column in expected]


def test_memory():
    """Thousands of passages, each better than all before it, take no more room than the lists and what came last."""
    rows = 50
    top = Candidates(np.full((rows, 1), -np.inf, dtype=np.float32), 0.0, 8, Mask())
    tracemalloc.start()
    for number in range(2_000):
        top.offer(block(np.full((rows, 1), float(number))), number)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000
    assert top.best()[1].tolist() == [*range(1_992, 2_000)] * rows
