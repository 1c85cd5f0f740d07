"""What a counter does not take."""

from __future__ import annotations

import numpy as np
import pytest

from mteb_hybrid.ranking import RankCounter


class TestArguments:
    def test_unknown_similarity(self):
        """A similarity other than cosine and dot is refused by name."""
        one, zero = np.ones((1, 2), dtype=np.float32), np.zeros(1, dtype=np.int64)
        with pytest.raises(ValueError, match="euclidean"):
            RankCounter(one, zero, one, zero, similarity="euclidean")

    @pytest.mark.parametrize(
        ("queries", "pairs", "passages", "positions"),
        [((2,), 1, (1, 2), 1), ((1, 2), 1, (1, 3), 1), ((1, 2), 2, (1, 2), 2), ((1, 2), 1, (1, 2), 2)],
    )
    def test_shapes_of_queries(self, queries, pairs, passages, positions):
        """Queries, relevant passages, rows and positions that do not fit each other are refused."""
        with pytest.raises(ValueError, match="do not fit"):
            RankCounter(
                np.ones(queries, dtype=np.float32),
                np.zeros(pairs, dtype=np.int64),
                np.ones(passages, dtype=np.float32),
                np.zeros(positions, dtype=np.int64),
            )

    @pytest.mark.parametrize(("passages", "positions"), [((2, 3), 2), ((2, 2), 1), ((2,), 2)])
    def test_shapes_of_passages(self, passages, positions):
        """Passages of another dimension, or without a position each, are refused."""
        one, zero = np.ones((1, 2), dtype=np.float32), np.zeros(1, dtype=np.int64)
        counter = RankCounter(one, zero, one, zero)
        with pytest.raises(ValueError, match="do not fit"):
            counter.count(np.ones(passages, dtype=np.float32), np.arange(positions))
