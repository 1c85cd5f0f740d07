"""How much of what stands at the top anyone has judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.metrics.per_query import PerQuery

if TYPE_CHECKING:
    from numpy.typing import NDArray


def judged_at_k(top_judged: NDArray[np.bool_], retrieved: NDArray[np.int64], k: int) -> PerQuery:
    """Share of the first k passages that were judged, relevant or not; where it is low, scores are lower bounds.

    Args:
        top_judged: bool, shape (queries, depth), depth >= k: whether the passage at each rank was judged for the query.
        retrieved: int64, shape (queries,): length of each list. A list shorter than k is divided by its own length.
        k: Cut-off.

    Returns:
        Values in [0, 1].

    Raises:
        ValueError: The lists are not k deep.
    """
    if top_judged.shape[1] < k:
        raise ValueError(f"the lists are {top_judged.shape[1]} deep, not {k}")
    shown = np.minimum(retrieved, k)
    judged = np.count_nonzero(top_judged[:, :k] & (np.arange(k) < shown[:, None]), axis=1)
    return PerQuery.where(shown > 0, judged / np.maximum(shown, 1), "nothing was retrieved")
