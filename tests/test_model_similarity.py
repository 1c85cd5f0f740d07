"""The model's own similarity: recognised by its values, or used as it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.errors import EmbeddingError
from mteb_hybrid.model_similarity import rank_with_model_similarity, recognise_similarity

SEEDS = st.integers(0, 2**32 - 1)
MODEST = settings(deadline=None, max_examples=30)


def cosine(queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
    normal = torch.nn.functional.normalize
    return normal(queries, dim=1) @ normal(passages, dim=1).T


def dot(queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
    return queries @ passages.T


def euclidean(queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
    return -torch.cdist(queries.double(), passages.double(), compute_mode="donot_use_mm_for_euclid_dist")


def rounded_cosine(queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
    return cosine(queries, passages).mul(10).round() / 10


def embeddings(seed: int, queries: int, passages: int, dimension: int, unit: bool = False):
    rng = np.random.default_rng(seed)
    both = rng.normal(size=(queries + passages, dimension)) + 0.3
    if unit:
        both /= np.linalg.norm(both, axis=1, keepdims=True)
    both = both.astype(np.float32)
    return both[:queries], both[queries:]


class TestRecognise:
    @given(SEEDS, st.sampled_from([2, 64, 768]), st.integers(1, 90), st.integers(2, 90), st.booleans())
    @settings(MODEST, max_examples=12)
    def test_by_value(self, seed, dimension, queries, passages, as_numpy):
        """Cosine and dot product are told apart by their values, whatever the model declares and returns them as."""
        some = embeddings(seed, queries, passages, dimension)
        for function, name in ((cosine, "cosine"), (dot, "dot")):
            for declared in (None, "cosine", "dot", "euclidean"):
                wrapped = (lambda q, p, f=function: f(q, p).numpy()) if as_numpy else function
                assert recognise_similarity(wrapped, *some, declared) == name

    @given(SEEDS, st.sampled_from([2, 64, 768]))
    @MODEST
    def test_on_unit_vectors_the_declared_one(self, seed, dimension):
        """On vectors of length 1 the two agree: it is what the model declares, and cosine if it declares neither."""
        some = embeddings(seed, 20, 30, dimension, unit=True)
        for function in (cosine, dot):
            assert recognise_similarity(function, *some, "dot") == "dot"
            for declared in (None, "cosine", "euclidean"):
                assert recognise_similarity(function, *some, declared) == "cosine"

    @pytest.mark.parametrize("unit", [True, False])
    @pytest.mark.parametrize(
        "function",
        [
            euclidean,
            rounded_cosine,
            lambda q, p: 2 * dot(q, p),
            lambda q, p: cosine(q, p) + 0.001,
            lambda q, p: -cosine(q, p),
            lambda q, p: cosine(q, p).bfloat16(),
            lambda q, p: cosine(q, p).abs(),
        ],
    )
    def test_own(self, function, unit):
        """Distances, and cosines that are rounded, scaled, shifted or turned, are the model's own."""
        assert recognise_similarity(function, *embeddings(5, 40, 80, 16, unit), "cosine") is None

    @pytest.mark.parametrize("factor", [1e-15, 1e15])
    def test_far_from_length_one(self, factor):
        """Tolerance goes with the lengths of the vectors: tiny and huge ones are recognised as others are."""
        queries, passages = embeddings(6, 10, 20, 32)
        some = (queries * np.float32(factor), passages * np.float32(factor))
        assert recognise_similarity(dot, *some, "cosine") == "dot"
        assert recognise_similarity(lambda q, p: 1.01 * dot(q, p), *some, "dot") is None
        exact = lambda q, p: dot(q.double(), p.double()) / q.double().norm(dim=1)[:, None] / p.double().norm(dim=1)  # noqa: E731
        assert recognise_similarity(exact, *some, "dot") == "cosine"

    def test_asks_for_a_sample_only(self):
        """The function is called once, with at most 64 vectors on each side, whatever the size of the pool."""
        shapes = []

        def watched(queries, passages):
            shapes.append((len(queries), len(passages)))
            return cosine(queries, passages)

        assert recognise_similarity(watched, *embeddings(7, 300, 5000, 8)) == "cosine"
        assert len(shapes) == 1
        assert max(shapes[0]) <= 64


def plain_definition(scores, order, segment, segments, pair_query, pair_passage, top_k):
    """Counts of passages above, and the best k, by comparing every pair of passages."""
    above = np.zeros((len(pair_query), segments), dtype=int)
    for pair, (query, goal) in enumerate(zip(pair_query, pair_passage, strict=True)):
        for other, score in enumerate(scores[query]):
            if score > scores[query][goal] or (score == scores[query][goal] and order[other] < order[goal]):
                above[pair, segment[other]] += 1
    best = [sorted(range(len(order)), key=lambda p: (-row[p], order[p]))[:top_k] for row in scores]
    missing = max(0, top_k - len(order))
    top_order = [[int(order[p]) for p in row] + [-1] * missing for row in best]
    top_scores = [[scores[q][p] for p in row] + [-math.inf] * missing for q, row in enumerate(best)]
    return above.tolist(), top_order, top_scores


def pool(seed: int, queries: int, passages: int, segments: int = 1, dimension: int = 3):
    """Embeddings of small integers, which are often equal, with everything else that the ranking needs."""
    rng = np.random.default_rng(seed)
    related = rng.random((queries, passages)) < 0.3
    pair_query, pair_passage = related.nonzero()
    shuffled = rng.permutation(len(pair_query))
    return {
        "queries": rng.integers(-2, 3, size=(queries, dimension)).astype(np.float32),
        "passages": rng.integers(-1, 2, size=(passages, dimension)).astype(np.float32),
        "order": rng.permutation(passages),
        "segment": rng.integers(segments, size=passages),
        "relevant_query": pair_query[shuffled],
        "relevant_passage": pair_passage[shuffled],
    }


class TestRanks:
    @given(SEEDS, st.integers(1, 6), st.integers(1, 30), st.integers(1, 3), st.sampled_from([0, 1, 5, 40]))
    @MODEST
    def test_plain_definition(self, seed, queries, passages, segments, top_k):
        """Counts per segment and top-k are the definition's, with ties between equal and unequal embeddings."""
        data = pool(seed, queries, passages, segments)
        ranking = rank_with_model_similarity(euclidean, **data, segments=segments, top_k=top_k)
        scores = [
            [-math.dist(query, passage) for passage in data["passages"].tolist()] for query in data["queries"].tolist()
        ]
        above, top_order, top_scores = plain_definition(
            scores, data["order"], data["segment"], segments, data["relevant_query"], data["relevant_passage"], top_k
        )
        assert ranking.above.tolist() == above
        assert ranking.ranks().tolist() == [1 + sum(row) for row in above]
        assert ranking.top_order.tolist() == top_order
        np.testing.assert_allclose(ranking.top_scores, top_scores, rtol=1e-15)

    @given(SEEDS)
    @MODEST
    def test_equal_texts_tie_though_scores_depend_on_the_position(self, seed):
        """With scores that differ from column to column, as blocked products do, equal embeddings rank by order."""
        data = pool(seed, 3, 40)
        count = len(data["passages"])
        everything = {
            "relevant_query": np.repeat(np.arange(3), count),
            "relevant_passage": np.tile(np.arange(count), 3),
        }
        noisy = lambda q, p: euclidean(q, p) + 1e-3 * torch.arange(len(p))  # noqa: E731
        ranks = rank_with_model_similarity(noisy, **{**data, **everything}, top_k=count)
        rank = ranks.ranks().reshape(3, count)
        _, group = np.unique(data["passages"], axis=0, return_inverse=True)
        for row, scores, positions in zip(rank, ranks.top_scores, ranks.top_order, strict=True):
            assert sorted(row) == list(range(1, count + 1))
            passage_at = {int(position): passage for passage, position in enumerate(data["order"])}
            for equals in range(group.max() + 1):
                members = sorted(np.flatnonzero(group == equals), key=lambda p: data["order"][p])
                # all at consecutive ranks, in the order of their positions, with one and the same score
                assert [row[p] for p in members] == list(range(row[members[0]], row[members[0]] + len(members)))
                assert len({scores[row[p] - 1] for p in members}) == 1
            assert [row[passage_at[int(position)]] for position in positions] == list(range(1, count + 1))

    def test_many_queries_and_passages(self):
        """More queries and distinct passages than the model is asked for at once are ranked as if at once."""
        rng = np.random.default_rng(0)
        queries = rng.integers(-9, 10, size=(300, 2)).astype(np.float32)
        passages = rng.integers(-500, 500, size=(9000, 2)).astype(np.float32)
        assert len(np.unique(passages, axis=0)) > 8192
        pair_query, pair_passage = rng.integers(300, size=200), rng.integers(9000, size=200)
        order, segment = rng.permutation(9000), rng.integers(2, size=9000)
        manhattan = lambda q, p: -(q[:, None] - p[None]).abs().sum(dim=2)  # noqa: E731
        ranking = rank_with_model_similarity(
            manhattan, queries, passages, order, segment, pair_query, pair_passage, segments=2, top_k=3
        )
        for pair, (query, passage) in enumerate(zip(pair_query, pair_passage, strict=True)):
            scores = -np.abs(passages - queries[query]).sum(axis=1)
            wins = (scores > scores[passage]) | ((scores == scores[passage]) & (order < order[passage]))
            assert ranking.above[pair].tolist() == [(wins & (segment == s)).sum() for s in range(2)]
        for query in (0, 255, 256, 299):
            scores = -np.abs(passages - queries[query]).sum(axis=1)
            best = sorted(range(9000), key=lambda p: (-scores[p], order[p]))[:3]
            assert ranking.top_order[query].tolist() == order[best].tolist()
            assert ranking.top_scores[query].tolist() == scores[best].tolist()

    def test_a_query_that_scores_everything_alike(self):
        """Where all scores are equal the order alone decides, and a passage does not count against itself."""
        data = pool(1, 2, 12)
        ranking = rank_with_model_similarity(lambda q, p: torch.zeros(len(q), len(p)), **data, top_k=12)
        assert ranking.ranks().tolist() == (data["order"][data["relevant_passage"]] + 1).tolist()
        assert ranking.top_order.tolist() == [list(range(12))] * 2


class TestErrors:
    @pytest.mark.parametrize("wrong", [lambda q, p: torch.zeros(len(q)), lambda q, p: torch.zeros(len(p), len(q))])
    def test_shape(self, wrong):
        """A similarity that does not return one score per pair is refused, by its shape."""
        data = pool(2, 3, 5)
        with pytest.raises(EmbeddingError, match="returned shape"):
            recognise_similarity(wrong, data["queries"], data["passages"])
        with pytest.raises(EmbeddingError, match="returned shape"):
            rank_with_model_similarity(wrong, **data)

    def test_nan(self):
        """NaN cannot be ranked."""
        data = pool(2, 3, 5)
        bad = lambda q, p: torch.full((len(q), len(p)), torch.nan)  # noqa: E731
        with pytest.raises(EmbeddingError, match="NaN"):
            recognise_similarity(bad, data["queries"], data["passages"])
        with pytest.raises(EmbeddingError, match="NaN"):
            rank_with_model_similarity(bad, **data)

    def test_with_gradients(self):
        """Scores that carry gradients are read all the same."""
        data = pool(2, 3, 5)
        learned = torch.ones((), requires_grad=True)
        ranking = rank_with_model_similarity(lambda q, p: learned * euclidean(q, p), **data)
        assert (ranking.above == rank_with_model_similarity(euclidean, **data).above).all()
