"""How many passages of a chunk stand above each relevant one, by fast scores, and which ones these cannot decide."""

from __future__ import annotations

from typing import NamedTuple

from mteb_hybrid.arrays import LOWEST, Array, Mask, bincount, concatenate, flatnonzero, full, take, zeros

# a part of a block: while more of its scores than this reach the lowest threshold, that one is counted apart
_MANY = 0.04


class Near(NamedTuple):
    """Passages that are as close to a relevant one as a fast score may be wrong; int64, shape (undecided,) each."""

    segment: Array
    row: Array
    slot: Array
    number: Array


class Above:
    """Counts the passages of a chunk above the relevant passages of some queries.

    A passage stands above the relevant one if its fast score exceeds ``upper``, below if it does not reach ``lower``.

    Args:
        lower: shape (queries, slots), ascending in each row; infinite where a query has fewer relevant passages.
        upper: The same.
        segments: Number of segments in the chunk.
        masks: Memory to work in.

    Attributes:
        counts: int64, shape (segments, queries, slots): passages that are known to stand above.
    """

    def __init__(self, lower: Array, upper: Array, segments: int, masks: tuple[Mask, Mask]) -> None:
        rows, slots = lower.shape
        self.counts = zeros((segments, rows, slots), lower)
        lower = lower.clip(LOWEST, None)
        self._lower, self._upper, self._masks = lower, upper, masks
        self._near: list[Near] = []
        # to find a score among the thresholds in few steps: one less than a power of two in a row
        self._half = 1 << max(0, slots.bit_length() - 1)
        self._width = 2 * self._half - 1
        padded = concatenate([upper, _endless((rows, self._width - slots), upper)], axis=1).reshape(-1)
        self._tree = concatenate([padded, _endless((self._half,), upper)])
        self._ended = concatenate([lower, _endless((rows, 1), lower)], axis=1)

    def offer(self, scores: Array, first: int, segment: int) -> None:
        """Count a block.

        Args:
            scores: Fast scores, shape (queries, padded passages).
            first: Number of the first of these passages in the chunk.
            segment: Segment of all of them.
        """
        columns = scores.shape[1]
        reached, surely = self._masks
        for slot in range(self._lower.shape[1]):
            reached.at_least(scores, self._lower[:, slot, None])
            if reached.count() <= _MANY * scores.shape[0] * columns:
                self._count_few(scores, reached.positions(), slot, first, segment)
                return
            surely.more_than(scores, self._upper[:, slot, None])
            self.counts[segment, :, slot] += surely.count_rows()
            place = reached.without(surely).positions()
            row = place // columns
            self._keep(segment, row, zeros(row.shape, row) + slot, place - row * columns + first)

    def near(self) -> Near:
        """All passages that are to be decided exactly."""
        if not self._near:
            return Near(*(zeros((0,), self.counts) for _ in Near._fields))
        return Near(*(concatenate(arrays) for arrays in zip(*self._near, strict=True)))

    def add(self, decided: Near) -> None:
        """Count passages that turned out to stand above."""
        segments, rows, slots = self.counts.shape
        place = (decided.segment * rows + decided.row) * slots + decided.slot
        self.counts += bincount(place, segments * rows * slots).reshape(self.counts.shape)

    def _count_few(self, scores: Array, place: Array, slot: int, first: int, segment: int) -> None:
        """Count, for the slots from one on, the scores at some places, which are all that reach a threshold."""
        rows, slots = self._lower.shape
        row = place // scores.shape[1]
        score = take(scores, place)
        beaten = self._beaten(row, score)
        groups = bincount(row * (slots + 1) + beaten, rows * (slots + 1)).reshape(rows, slots + 1)
        # whoever stands above a slot stands above those before it
        above = groups.sum(1)[:, None] - groups.cumsum(1)[:, :-1]
        self.counts[segment, :, slot:] += above[:, slot:]
        self._find_near(row, score, beaten.clip(slot, None), place - row * scores.shape[1] + first, segment)

    def _beaten(self, row: Array, score: Array) -> Array:
        """How many slots of its row each score surely stands above: one binary search for all scores."""
        start = row * self._width
        found, step = start + 0, self._half
        while step:
            found += (take(self._tree[step - 1 :], found) < score) * step
            step //= 2
        return found - start

    def _find_near(self, row: Array, score: Array, slot: Array, number: Array, segment: int) -> None:
        """Keep the scores that reach the slot that each is compared with, then the one after it, and so on."""
        ended = self._ended.shape[1]
        while len(near := flatnonzero(take(self._ended, row * ended + slot) <= score)):
            row, score, slot, number = row[near], score[near], slot[near], number[near]
            self._keep(segment, row, slot, number)
            slot = slot + 1

    def _keep(self, segment: int, row: Array, slot: Array, number: Array) -> None:
        self._near.append(Near(zeros(row.shape, row) + segment, row, slot, number))


def _endless(shape: tuple[int, ...], like: Array) -> Array:
    return full(shape, float("inf"), like)
