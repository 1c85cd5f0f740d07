"""Which languages the top of the pooled list shows, whether relevant or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import rel_entr

from mteb_hybrid.metrics.per_query import PerQuery

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mteb_hybrid.metrics.ranks import QueryRanks

_EMPTY = "nothing was retrieved"


def query_language_share(top_language: NDArray[np.int64], query_language: int, k: int) -> PerQuery:
    """Share of the first k passages that are in the question's language; near its share of the pool is neutral.

    Args:
        top_language: int64, shape (queries, depth), depth >= k: language of the passage at each rank, -1 for none.
        query_language: The question's language.
        k: Cut-off. A list that is shorter is divided by its own length; an empty one is left out.

    Returns:
        Values in [0, 1].

    Raises:
        ValueError: The lists are not k deep.
    """
    top = _cut(top_language, k)
    retrieved = np.count_nonzero(top >= 0, axis=1)
    own = np.count_nonzero(top == query_language, axis=1)
    return PerQuery.where(retrieved > 0, own / np.maximum(retrieved, 1), _EMPTY)


def query_language_share_excess(
    top_language: NDArray[np.int64], query_language: int, k: int, pool: NDArray[np.int64]
) -> PerQuery:
    """`query_language_share` minus the share p of the language in the pool; near 0 is neutral.

    Args:
        top_language: As in `query_language_share`.
        query_language: The question's language.
        k: Cut-off.
        pool: int64, shape (languages,): passages of each language in the pool.

    Returns:
        Values in [-p, 1 - p].
    """
    expected = np.full(len(top_language), pool[query_language] / pool.sum())
    return query_language_share(top_language, query_language, k).minus(expected)


def exposure_fairness(top_language: NDArray[np.int64], target: NDArray[np.float64], k: int) -> PerQuery:
    """1 minus the Jensen-Shannon divergence (base 2) between the exposure of languages and a target; higher is better.

    AWRF of the TREC 2022 Fair Ranking track: a passage at rank r gives its language an exposure of 1 / log2(max(r, 2));
    exposures of the first k are added up and normalised. Relevant or not makes no difference, so a relevant passage
    below rank k earns none.

    Args:
        top_language: int64, shape (queries, depth), depth >= k: language of the passage at each rank, -1 for none.
        target: float64, shape (queries, languages), or (languages,) for all queries: not negative, not all zero;
            normalised here. See `relevant_languages` for parallel collections; elsewhere the sizes of the pool.
        k: Cut-off.

    Returns:
        Values in [0, 1].

    Raises:
        ValueError: The lists are not k deep.
    """
    top = _cut(top_language, k)
    queries, languages = len(top), target.shape[-1]
    discount = 1.0 / np.log2(np.maximum(np.arange(1, k + 1), 2))
    row, rank = np.nonzero(top >= 0)
    exposure = np.zeros((queries, languages))
    np.add.at(exposure, (row, top[row, rank]), discount[rank])
    wanted = np.broadcast_to(np.asarray(target, dtype=np.float64), exposure.shape)
    shown, asked = exposure.sum(axis=1), wanted.sum(axis=1)
    defined = (shown > 0) & (asked > 0)
    p = exposure / np.where(defined, shown, 1)[:, None]
    q = wanted / np.where(defined, asked, 1)[:, None]
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=1) / (2 * np.log(2))
    return PerQuery.where(defined, np.clip(1 - divergence, 0, 1), f"{_EMPTY}, or no target")


def relevant_languages(ranks: QueryRanks, languages: int) -> NDArray[np.float64]:
    """The target of `exposure_fairness` in a parallel collection: relevant passages per query and language.

    Returns:
        float64, shape (queries, languages).
    """
    counts = np.zeros((ranks.queries, languages))
    np.add.at(counts, (ranks.query, ranks.languages()), 1)
    return counts


def _cut(top_language: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    if top_language.shape[1] < k:
        raise ValueError(f"the lists are {top_language.shape[1]} deep, not {k}")
    return top_language[:, :k]
