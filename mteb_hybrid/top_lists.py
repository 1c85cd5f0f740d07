"""The best k passages of each query, kept while the pool goes by."""

from __future__ import annotations

from mteb_hybrid.arrays import (
    LOWEST,
    Array,
    Mask,
    bincount,
    concatenate,
    flatnonzero,
    full,
    kth_largest,
    maximum,
    padded,
    positions_within,
    take,
    take_along_rows,
    zeros,
)

# room for candidates, in lists
_ROOM = 4


class Candidates:
    """Passages of a chunk that may be among the best k of some queries, by their fast scores.

    Whoever belongs there is at most one bound below the k-th best score so far, and at most two below the k-th of any
    fast scores.

    Args:
        least: One bound below the k-th best score so far, as fast scores; shape (queries, 1).
        bound: How far a fast score may be off.
        k: Length of the lists.
        mask: Memory to work in.
    """

    def __init__(self, least: Array, bound: float, k: int, mask: Mask) -> None:
        self._least, self._bound, self._k = least.clip(LOWEST, None), bound, k
        self._mask = mask
        self._scores, self._numbers, self._filled = self._empty(_ROOM * k)

    def offer(self, scores: Array, first: int) -> None:
        """Take in those of a block that may be among the best.

        Args:
            scores: Fast scores, shape (queries, padded passages).
            first: Number of the first of these passages.
        """
        rows, columns = scores.shape
        reached = self._mask.at_least(scores, self._least)
        if columns > self._k and reached.count() > rows * self._k:
            self._raise_least(scores, roughly=True)
            reached = self._mask.at_least(scores, self._least)
        place = reached.positions()
        if len(place):
            row = place // columns
            self._add(row, take(scores, place), place - row * columns + first)

    def best(self) -> tuple[Array, Array]:
        """Row, ascending, and number of every passage that may be among the best k."""
        self._raise_least(self._scores)
        return self._kept()[:2]

    def _add(self, row: Array, score: Array, number: Array) -> None:
        """Put passages, by ascending row, into the room, which is made large enough."""
        counts = bincount(row, len(self._filled))
        if int((self._filled + counts).max()) > self._scores.shape[1]:
            self._raise_least(self._scores)
            kept_row, kept_number, kept_score = self._kept()
            kept = bincount(kept_row, len(counts))
            room = max(self._scores.shape[1], 2 * int((kept + counts).max()))
            self._scores, self._numbers, self._filled = self._empty(room)
            self._put(kept_row, kept_score, kept_number, kept)
        self._put(row, score, number, counts)

    def _put(self, row: Array, score: Array, number: Array, counts: Array) -> None:
        place = row * self._scores.shape[1] + take(self._filled, row) + positions_within(row, counts)
        self._scores.reshape(-1)[place] = score  # one index finds its place in half the time that two take
        self._numbers.reshape(-1)[place] = number
        self._filled = self._filled + counts

    def _kept(self) -> tuple[Array, Array, Array]:
        """Row, number and score of what the room holds that is not too low."""
        place = self._mask.at_least(self._scores, self._least).positions()
        return place // self._scores.shape[1], take(self._numbers, place), take(self._scores, place)

    def _raise_least(self, scores: Array, *, roughly: bool = False) -> None:
        """Learn from some fast scores of each query what cannot be among the best."""
        while roughly and scores.shape[1] >= _ROOM * self._k:  # k maxima of two stand for k scores that are as large
            half = scores.shape[1] // 2
            scores = maximum(scores[:, :half], scores[:, half : 2 * half])
        seen = kth_largest(scores, self._k)[:, None] - 2 * self._bound
        self._least = self._least.clip(seen, None)

    def _empty(self, room: int) -> tuple[Array, Array, Array]:
        """Scores and numbers, shape (queries, padded room), and how many there are of each query, none."""
        shape = (self._least.shape[0], padded(room))
        scores = full(shape, -float("inf"), self._least)
        return scores, zeros(shape, self._least), zeros(shape[:1], self._least)


def merge_lists(scores: Array, order: Array, row: Array, new_scores: Array, new_order: Array) -> tuple[Array, Array]:
    """Lists of the best, after some passages came to them.

    Args:
        scores: float64, shape (queries, k), descending; -inf where a list has ended.
        order: int64, shape (queries, k): tie-break positions; -1 where a list has ended.
        row: int64, shape (new,), ascending: the query of each new passage.
        new_scores: float64, shape (new,).
        new_order: int64, shape (new,).

    Returns:
        Scores and tie-break positions of the best k, by descending score and ascending position.
    """
    k = scores.shape[1]
    counts = bincount(row, len(scores))
    room = (len(scores), int(counts.max()))
    place = positions_within(row, counts)
    came_scores, came_order = full(room, -float("inf"), scores), full(room, -1, order)
    came_scores[row, place], came_order[row, place] = new_scores, new_order
    all_scores, all_order = concatenate([scores, came_scores], axis=1), concatenate([order, came_order], axis=1)
    best = best_first(all_scores, all_order)[:, :k]
    return take_along_rows(all_scores, best), take_along_rows(all_order, best)


def best_first(scores: Array, order: Array) -> Array:
    """Columns by descending score and ascending position, int64, shape of both (rows, columns)."""
    best = (-scores).argsort()
    found = take_along_rows(scores, best)
    # a stable sort by two keys takes several times as long, and ties are rare
    tied = flatnonzero(((found[:, 1:] == found[:, :-1]) & (found[:, 1:] > -float("inf"))).any(1))
    if len(tied):
        by_order = order[tied].argsort(stable=True)
        by_score = (-take_along_rows(scores[tied], by_order)).argsort(stable=True)
        best[tied] = take_along_rows(by_order, by_score)
    return best
