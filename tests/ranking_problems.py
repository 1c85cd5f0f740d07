"""Pools, queries and relevant pairs to rank: what the tests of the kernel share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st

from mteb_hybrid.ranking import RankCounter, Ranking

MODEST = settings(deadline=None, max_examples=25)
SEEDS = st.integers(0, 2**32 - 1)
DIMENSIONS = st.sampled_from([1, 2, 3, 5, 31, 384, 1000])


@pytest.fixture(autouse=True)
def _torch_settings():
    """Whatever a test sets in torch is as before afterwards."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


@dataclass(frozen=True)
class Problem:
    """A pool in segments, queries, and (query, passage) pairs of which the ranks are asked for."""

    similarity: str
    queries: np.ndarray
    passages: np.ndarray
    order: np.ndarray
    segment: np.ndarray
    segments: int
    pair_query: np.ndarray
    pair_passage: np.ndarray

    def count(
        self,
        *,
        rows: np.ndarray | None = None,
        cuts: tuple[int, ...] = (),
        backwards: bool = False,
        top_k: int = 5,
        **options,
    ) -> Ranking:
        """What the package counts, with the pool's rows in a given order and cut into several calls."""
        counter = self.counter(top_k=top_k, **options)
        rows = np.arange(len(self.passages)) if rows is None else rows
        segments = range(self.segments)
        for segment in reversed(segments) if backwards else segments:
            here = rows[self.segment[rows] == segment]
            for part in np.split(here, [cut for cut in sorted(cuts) if cut < len(here)]):
                counter.count(self.passages[part], self.order[part], segment)
        return counter.result()

    def counter(self, **options) -> RankCounter:
        return RankCounter(
            self.queries,
            self.pair_query,
            self.passages[self.pair_passage],
            self.order[self.pair_passage],
            similarity=self.similarity,
            segments=self.segments,
            **{"device": "cpu", **options},
        )


def make_problem(rng: np.random.Generator, queries: np.ndarray, passages: np.ndarray, similarity: str) -> Problem:
    """Segments, tie-break positions and relevant pairs at random; some queries have no relevant passage."""
    segments = int(rng.integers(1, 4))
    related = rng.random((len(queries), len(passages))) < rng.choice([0.02, 0.2])
    related[rng.integers(len(queries)), rng.integers(len(passages))] = True
    pair_query, pair_passage = related.nonzero()
    shuffled = rng.permutation(len(pair_query))
    return Problem(
        similarity=similarity,
        queries=queries,
        passages=passages,
        order=rng.permutation(len(passages)),
        segment=rng.integers(segments, size=len(passages)),
        segments=segments,
        pair_query=pair_query[shuffled],
        pair_passage=pair_passage[shuffled],
    )


def normal_problem(seed: int, dimension: int, similarity: str, scales: str = "one") -> Problem:
    """Normal embeddings with copies, and near-copies that differ by one float32 ulp in their largest component."""
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(int(rng.integers(1, 8)), dimension)).astype(np.float32)
    passages = rng.normal(size=(int(rng.integers(1, 40)), dimension)).astype(np.float32)
    if scales == "each":  # every vector has a scale of its own, between 1e-20 and 1e18
        queries = (queries * 10.0 ** rng.uniform(-20, 18, size=(len(queries), 1))).astype(np.float32)
        passages = (passages * 10.0 ** rng.uniform(-20, 18, size=(len(passages), 1))).astype(np.float32)
    elif scales != "one":
        passages = (passages * float(scales)).astype(np.float32)
    for _ in range(len(passages) // 3):
        source, target = rng.integers(len(passages), size=2)
        passages[target] = passages[source]
        if rng.random() < 0.6:
            largest = np.abs(passages[target]).argmax()
            passages[target, largest] = np.nextafter(
                passages[target, largest], np.float32(rng.choice([-np.inf, np.inf])), dtype=np.float32
            )
    return make_problem(rng, queries, passages, similarity)


def same(one: Ranking, other: Ranking) -> bool:
    """Whether two results agree to the last bit."""
    return (
        np.array_equal(one.above, other.above)
        and np.array_equal(one.top_order, other.top_order)
        and one.top_scores.tobytes() == other.top_scores.tobytes()
    )
