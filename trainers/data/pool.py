"""Items that can stand at one place of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


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

    def items(self, positions: Ints) -> Ints:
        """The items at some positions of the pool, int64 in [0, size)."""
        if len(self._shift) == 1:
            only: Ints = positions + self._shift[0]
            return only
        shifted: Ints = positions + self._shift[np.searchsorted(self._ends, positions, side="right")]
        return shifted

    def chunks(self, size: int = 2**16) -> Iterator[Ints]:
        """All items in their own order, a few at a time."""
        for start in range(0, self.size, size):
            yield self.items(np.arange(start, min(start + size, self.size)))
