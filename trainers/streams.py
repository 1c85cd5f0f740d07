"""Endless random orders of items: each pass over a pool visits every item of it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.trainers.permutation import Permutation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_LOOKAHEAD = 256


class Pool:
    """Items that can stand at one place of a batch, as runs of consecutive items.

    Args:
        blocks: Numbers of the runs: what tells pools apart.
        starts: First item of each run.
        counts: Number of items of each run, at least 1.
    """

    def __init__(self, blocks: Sequence[int], starts: Sequence[int], counts: Sequence[int]) -> None:
        self.blocks = tuple(blocks)
        self._starts = np.array(starts, dtype=np.int64)
        self._ends = np.cumsum(counts, dtype=np.int64)
        self._shift = self._starts - np.concatenate([[0], self._ends[:-1]])
        self.size = int(self._ends[-1])

    def items(self, positions: Ints | None = None) -> Ints:
        """The items at some positions of the pool, int64 in [0, size); by default all of them."""
        if positions is None:
            positions = np.arange(self.size)
        if len(self._shift) == 1:
            only: Ints = positions + self._shift[0]
            return only
        shifted: Ints = positions + self._shift[np.searchsorted(self._ends, positions, side="right")]
        return shifted


class ItemStream:
    """The items of a pool, pass after pass, each pass in an order of its own.

    `at` looks anywhere in the stream; `take_free` draws from it, and keeps what it had to skip for the next draw.

    Args:
        pool: The items.
        seed: An integer at least 0 that the orders depend on, together with the pool's blocks.
        start: Number of draws that are taken to be made already.

    Attributes:
        cursor: Number of draws made, the skipped ones among them.
        skipped: Items passed over, oldest first; the next draws try them first.
    """

    def __init__(self, pool: Pool, seed: int, start: int) -> None:
        self.pool = pool
        self.cursor = start
        self.skipped: list[int] = []
        self._seed = seed
        self._passes: dict[int, Permutation] = {}
        self._ahead: list[int] = []
        self._ahead_start = 0

    def at(self, start: int, count: int) -> Ints:
        """The items of draws ``start`` to ``start + count``, int64 of shape (count,)."""
        parts = []
        end = start + count
        while start < end:
            number, place = divmod(start, self.pool.size)
            length = min(end - start, self.pool.size - place)
            parts.append(self.pool.items(self._order(number)(np.arange(place, place + length))))
            start += length
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def take_free(self, taken: set[int], groups: Ints | None) -> int | None:
        """The next item of the stream whose group is not taken; it is marked as taken.

        Args:
            taken: Groups that cannot be drawn; the one drawn is added.
            groups: Group of every item, int64; None if every item is its own.

        Returns:
            The item; None if every item of the pool is taken.
        """
        for place, item in enumerate(self.skipped):
            group = item if groups is None else int(groups[item])
            if group not in taken:
                taken.add(group)
                del self.skipped[place]
                return item
        # any two passes' length of the stream holds a whole pass, so every item of the pool
        while len(self.skipped) < 2 * self.pool.size:
            item = self._next()
            group = item if groups is None else int(groups[item])
            if group not in taken:
                taken.add(group)
                return item
            self.skipped.append(item)
        return None

    def _next(self) -> int:
        place = self.cursor - self._ahead_start
        if not 0 <= place < len(self._ahead):
            self._ahead_start, place = self.cursor, 0
            self._ahead = self.at(self.cursor, _LOOKAHEAD).tolist()
        self.cursor += 1
        return self._ahead[place]

    def _order(self, number: int) -> Permutation:
        if number not in self._passes:
            if len(self._passes) > 2:
                self._passes.clear()
            self._passes[number] = Permutation(self.pool.size, (self._seed, number, *self.pool.blocks))
        return self._passes[number]
