"""Paired sign-flip randomisation by question, with Westfall and Young's adjustment over settings.

If two models are equally good, it is chance which of them got the better score on a question: the difference might as
well have the other sign, in all settings of the question together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mteb_hybrid.significance.differences import PairedDifferences

DRAWS = 100_000
"""Random sign patterns that are tried."""
_EXACT = 16
"""Up to this many questions all sign patterns are tried: 2**16 of them."""
_AT_ONCE = 4096
_TIE = 1e-9
"""Statistics that differ by less than this share of the root of their sum of squares are equal: other order of sums."""


@dataclass(frozen=True, slots=True)
class FlipTest:
    """Two-sided p-values of a sign-flip test.

    Attributes:
        p: Of each setting on its own, float64, shape (settings,).
        adjusted: The same with the family-wise error rate over all settings controlled (Westfall and Young's step-down
            max-T), float64, shape (settings,).
        macro: Of the mean over settings.
        draws: Sign patterns tried.
        exact: Whether these were all there are.
    """

    p: NDArray[np.float64]
    adjusted: NDArray[np.float64]
    macro: float
    draws: int
    exact: bool


def sign_flip_test(differences: PairedDifferences, draws: int = DRAWS, seed: int = 0) -> FlipTest:
    """Test whether mean differences are 0.

    The statistic of a setting is its sum of differences over the root of their sum of squares, which no flip changes,
    so that settings are on one scale for max-T (Westfall and Young, "Resampling-Based Multiple Testing", 1993,
    algorithm 2.8). A p-value is (1 + hits) / (1 + draws), with hits the sign patterns whose statistic is at least as
    far from 0 as the observed one; where all patterns are tried, hits / patterns.

    Args:
        differences: Of all settings of one family.
        draws: Random sign patterns, at least 1.
        seed: Of the patterns.
    """
    values, settings = differences.values, len(differences.settings)
    norms = np.sqrt((values**2).sum(axis=0))
    scaled = np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)
    macro = differences.contributions.mean(axis=1)
    moving = np.flatnonzero((values != 0).any(axis=1))
    rows = np.column_stack([scaled, macro])[moving]
    exact = len(moving) <= _EXACT
    patterns = _all_signs(len(moving)) if exact else _random_signs(len(moving), draws, seed)
    observed = np.abs(rows.sum(axis=0))
    bar = observed - _TIE * np.sqrt((rows**2).sum(axis=0))  # no share of the observed one, which may be 0
    order = np.argsort(-observed[:settings], kind="stable")
    hits, hits_of_max, tried = np.zeros(settings + 1), np.zeros(settings), 0
    for signs in patterns:
        found = np.abs(signs @ rows)
        hits += (found >= bar).sum(axis=0)
        # the largest statistic among this setting and all that were observed to be smaller
        largest = np.maximum.accumulate(found[:, order[::-1]], axis=1)[:, ::-1]
        hits_of_max += (largest >= bar[order]).sum(axis=0)
        tried += len(signs)
    own = 0 if exact else 1
    p, p_of_max = (hits + own) / (tried + own), (hits_of_max + own) / (tried + own)
    adjusted = np.empty(settings)
    adjusted[order] = np.maximum.accumulate(p_of_max)
    return FlipTest(p[:settings], adjusted, float(p[settings]), tried, exact)


def _all_signs(count: int) -> Iterator[NDArray[np.float64]]:
    """Every pattern of signs, some at a time, float64 of shape (patterns, count)."""
    for start in range(0, 2**count, _AT_ONCE):
        numbers = np.arange(start, min(start + _AT_ONCE, 2**count))
        yield _signs(numbers[:, None] >> np.arange(count) & 1)


def _random_signs(count: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    width = -(-count // 8)
    for start in range(0, draws, _AT_ONCE):
        size = min(_AT_ONCE, draws - start)
        bits = np.frombuffer(rng.bytes(size * width), dtype=np.uint8).reshape(size, width)
        yield _signs(np.unpackbits(bits, axis=1, count=count))


def _signs(bits: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """1 for a 0, -1 for a 1."""
    signs: NDArray[np.float64] = 1.0 - 2.0 * bits.astype(np.float64)
    return signs
