"""Endless random orders of items: each pass over a pool visits every item of it once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.trainers.sampling.permutation import Permutation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mteb_hybrid.trainers.data.pool import Pool

    Ints = NDArray[np.int64]

_MISSES = 16
"""After this many items in a row that are taken already, see whether the pool has any other."""


class ItemStream:
    """The items of a pool, pass after pass, each pass in an order of its own.

    A pass may be shorter than the pool, so that it ends where an epoch does. Then each leaves out other items: in the
    pool's own order, a pass begins where the one before ended. So any number of passes visits all items equally often,
    up to one.

    Args:
        pool: The items.
        seed: An integer at least 0 that the orders depend on, together with the pool's blocks.
        start: Number of draws that are taken to be made already.
        length: Number of items of a pass. Default: all of the pool.

    Attributes:
        pool: The items.
        length: Number of items of a pass.
        drawn: Number of draws made.
        skipped: Items passed over, by group, the group first that has waited longest; the next draws try them first.
        behind: How many they are.
    """

    def __init__(self, pool: Pool, seed: int, start: int, length: int | None = None) -> None:
        self.pool = pool
        self.length = length or pool.size
        self.drawn = start
        self.skipped: dict[int, deque[int]] = {}
        self.behind = 0
        self._seed = seed
        self._order = (-1, Permutation(1, (0,)))
        self._window: Ints = np.empty(0, dtype=np.int64)
        self._window_start = 0

    def at(self, start: int, count: int) -> Ints:
        """The items of draws ``start`` to ``start + count``, int64 of shape (count,)."""
        parts = []
        end = start + count
        while start < end:
            number, place = divmod(start, self.length)
            stop = min(end - start + place, self.length)
            if self._order[0] != number:
                self._order = number, Permutation(self.length, (self._seed, number, *self.pool.blocks))
            positions = self._order[1](np.arange(place, stop))
            if self.length < self.pool.size:
                positions = (positions + number * self.length) % self.pool.size
            parts.append(self.pool.items(positions))
            start += stop - place
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def peek(self, count: int) -> Ints:
        """The items of the next ``count`` draws if none is skipped, int64 of shape (count,); none is drawn."""
        place = self._in_window(self.drawn, count) if count else 0
        return self._window[place : place + count]

    def take_free(self, taken: set[int], groups: Ints | None) -> int | None:
        """The next item of the stream whose group is not taken; it is marked as taken.

        Args:
            taken: Groups that cannot be drawn; the one drawn is added.
            groups: Group of every item, int64; None if every item is its own.

        Returns:
            The item; None if every item of the pool is taken, and then the stream stays where it is.
        """
        for group, items in self.skipped.items():
            if group not in taken:
                taken.add(group)
                item = items.popleft()
                if not items:
                    del self.skipped[group]
                self.behind -= 1
                self.drawn += 1
                return item
        passed: list[tuple[int, int]] = []
        while True:
            draw = self.drawn + self.behind + len(passed)
            place = self._in_window(draw, 1)
            item = self._window.item(place)
            group = item if groups is None else groups.item(item)
            if group not in taken:
                break
            passed.append((group, item))
            if len(passed) == _MISSES and not self._any_free(taken, groups):
                return None
        taken.add(group)
        for other, one in passed:
            self.skipped.setdefault(other, deque()).append(one)
        self.behind += len(passed)
        self.drawn += 1
        return item

    def _in_window(self, draw: int, count: int) -> int:
        """Where in the window some draws are; the window is moved if they are not."""
        place = draw - self._window_start
        if place >= 0 and place + count <= len(self._window):
            return place
        # more than is asked for, because a call costs as much as a thousand items; but no further pass for that
        more = min(max(16 * count, 256), 2**14, self.length - draw % self.length)
        self._window, self._window_start = self.at(draw, max(count, more)), draw
        return 0

    def _any_free(self, taken: set[int], groups: Ints | None) -> bool:
        if groups is None and self.pool.size > len(taken):
            return True
        known = np.fromiter(taken, dtype=np.int64, count=len(taken))
        return any(not np.isin(items if groups is None else groups[items], known).all() for items in self.pool.chunks())
