"""p-values of several tests, adjusted so that the probability of even one false rejection is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's step-down adjustment (Holm, "A simple sequentially rejective multiple test procedure", 1979).

    Args:
        p: p-values in [0, 1], float64, shape (tests,).

    Returns:
        Adjusted p-values in [0, 1], in the order of ``p``; valid however the tests depend on each other.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted
