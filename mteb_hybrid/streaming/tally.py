"""How much of a corpus is counted: rows and counts, that add up whatever the parts and their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.counted import add_rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mteb_hybrid.counted import Ranking


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of some rows of one corpus.

    Attributes:
        rows: int64, shape (ranges, 2): the counted rows as ranges [first, one after last), sorted, not touching.
        ranking: Their counts, and the best among them.
    """

    rows: NDArray[np.int64]
    ranking: Ranking

    @classmethod
    def of_nothing(cls, ranking: Ranking) -> Tally:
        """No rows; ``ranking`` is that of a counter that has counted nothing."""
        return cls(np.empty((0, 2), dtype=np.int64), ranking)

    @property
    def size(self) -> int:
        """Number of counted rows."""
        return int((self.rows[:, 1] - self.rows[:, 0]).sum())

    def missing(self, size: int) -> list[tuple[int, int]]:
        """The rows of a corpus of this size that are not counted, as ranges."""
        edges = [0, *self.rows.ravel().tolist(), size]
        return [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]

    def grown(self, start: int, stop: int, total: Ranking) -> Tally:
        """With the rows from start to stop, where ``total`` are the counts of all rows, these included.

        Raises:
            ValueError: Some of the rows are counted already.
        """
        ranges = sorted([*map(tuple, self.rows.tolist()), (start, stop)])
        joined: list[list[int]] = []
        for first, last in ranges:
            if joined and first < joined[-1][1]:
                raise ValueError(f"rows {start} to {stop} overlap rows that are counted already")
            if joined and first == joined[-1][1]:
                joined[-1][1] = last
            else:
                joined.append([first, last])
        return Tally(np.array(joined, dtype=np.int64), total)

    def plus(self, start: int, stop: int, part: Ranking) -> Tally:
        """With the rows from start to stop, whose own counts are ``part``.

        Raises:
            ValueError: Some of the rows are counted already.
        """
        return self.grown(start, stop, add_rankings(self.ranking, part))

    def fits(self, size: int, fresh: Ranking) -> bool:
        """Whether this can be a tally of a corpus of this size for the counter that ``fresh``, of nothing, is from."""
        names = ("above", "top_order", "top_scores")
        if any(getattr(self.ranking, name).shape != getattr(fresh, name).shape for name in names):
            return False
        if self.rows.ndim != 2 or self.rows.shape[1] != 2:
            return False
        edges = self.rows.ravel()
        return bool((np.diff(edges) > 0).all() and (edges >= 0).all() and (edges <= size).all())
