"""Does one question get one answer list, whatever language it is asked in?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.metrics.per_query import PerQuery, reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PERSISTENCE = 0.9
DEPTH = 100
# elements of one block of list comparisons: 2^25 booleans stay far below any memory bound
_BLOCK = 1 << 25
_ALONE = "asked in one language only, or nothing was retrieved"


@dataclass(frozen=True, slots=True)
class AskedLists:
    """The pooled lists of the questions asked in one language.

    Attributes:
        question: int64, shape (queries,): number of each question, the same in every language, none twice.
        top: int64, shape (queries, depth): number of the passage at each rank, the same in every language; -1 for none.
    """

    question: NDArray[np.int64]
    top: NDArray[np.int64]


def rank_biased_overlap(
    a: NDArray[np.int64], b: NDArray[np.int64], persistence: float = PERSISTENCE, depth: int = DEPTH
) -> NDArray[np.float64]:
    """Rank-biased overlap of pairs of lists, truncated; higher is more alike.

    Webber, Moffat and Zobel (ACM TOIS 2010), equation 4, with their agreement for uneven lists: (1 - p) times the sum
    over depths d of p^(d - 1) times 2 |A_d and B_d| / (|A_d| + |B_d|). The sum ends at ``depth``; what lies below could
    add at most p^depth, 2.7e-5 unless changed. Two empty lists have 0; `pairwise_consistency` leaves them out.

    Args:
        a: int64, shape (pairs, at least 1): passages at each rank, none twice; -1 for none, only at the end.
        b: The lists to compare with, equally many.
        persistence: p, in (0, 1).
        depth: Where the sum ends.

    Returns:
        float64 in [0, 1 - p^depth], shape (pairs,).
    """
    a, b = a[:, :depth], b[:, :depth]
    depths = np.arange(1, depth + 1)
    overlap = np.zeros((len(a), depth), dtype=np.int64)
    rows = max(1, _BLOCK // max(1, a.shape[1] * b.shape[1]))
    for start in range(0, len(a), rows):
        part = slice(start, start + rows)
        same = (a[part, :, None] == b[part, None, :]) & (a[part, :, None] >= 0)
        pair, i, j = np.nonzero(same)
        np.add.at(overlap, (pair + start, np.maximum(i, j)), 1)
    overlap = overlap.cumsum(axis=1)
    shown = sum(np.minimum(depths, np.count_nonzero(one >= 0, axis=1)[:, None]) for one in (a, b))
    agreement = 2 * overlap / np.maximum(shown, 1)
    overlaps: NDArray[np.float64] = (1 - persistence) * (agreement * persistence ** (depths - 1)).sum(axis=1)
    return overlaps


def pairwise_consistency(lists: Mapping[str, AskedLists]) -> dict[tuple[str, str], PerQuery]:
    """Rank-biased overlap of the lists of every question for every two languages that it is asked in.

    The idea is that of arXiv 2509.06195. Needs no judgments.

    Returns:
        Two languages, in the order given, to the overlap of each question that both have; ``query`` holds the numbers
        of the questions.
    """
    pairs = {}
    for x, y in combinations(lists, 2):
        shared, in_x, in_y = np.intersect1d(lists[x].question, lists[y].question, return_indices=True)
        overlap = rank_biased_overlap(lists[x].top[in_x], lists[y].top[in_y])
        answered = (lists[x].top[in_x] >= 0).any(axis=1) | (lists[y].top[in_y] >= 0).any(axis=1)
        left_out = {
            "asked in one of the two languages only": len(lists[x].question) + len(lists[y].question) - 2 * len(shared),
            "nothing was retrieved in either language": int(np.count_nonzero(~answered)),
        }
        pairs[x, y] = PerQuery(shared[answered].astype(np.int64), overlap[answered], reasons(left_out))
    return pairs


def query_language_consistency(
    lists: Mapping[str, AskedLists], pairs: Mapping[tuple[str, str], PerQuery]
) -> dict[str, PerQuery]:
    """Per question language: each question's mean overlap with its lists in the other languages; higher is better.

    Args:
        lists: The lists of each language.
        pairs: What `pairwise_consistency` returns for them.

    Returns:
        Language to values in [0, 1]; ``query`` holds the numbers of the questions. Undefined for a question that is
        asked in one language only, or whose lists are all empty.
    """
    result = {}
    for language, asked in lists.items():
        overlaps = [overlap for pair, overlap in pairs.items() if language in pair]
        found = np.concatenate([np.empty(0, dtype=np.int64), *(overlap.query for overlap in overlaps)])
        values = np.concatenate([np.empty(0), *(overlap.value for overlap in overlaps)])
        question, position = np.unique(found, return_inverse=True)
        mean = np.bincount(position, weights=values) / np.maximum(np.bincount(position), 1)
        alone = len(asked.question) - len(question)
        result[language] = PerQuery(question, mean, reasons({_ALONE: alone}))
    return result
