"""Ranks and top-k of `mteb_hybrid.ranking` against oracles that share no code with it, and ties."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ranking_oracles import check, decided, oracle_rankings, oracle_scores
from ranking_problems import (
    DIMENSIONS,
    MODEST,
    SEEDS,
    Problem,
    _torch_settings,  # noqa: F401 - for every test here
    make_problem,
    normal_problem,
)

from mteb_hybrid.ranking import RankCounter, tie_order


class TestAgainstOracles:
    @given(SEEDS, DIMENSIONS.filter(lambda d: d > 1), st.sampled_from([0, 1, 5, 60]))
    @MODEST
    def test_cosine(self, seed, dimension, top_k):
        """Ranks and top-k are those of correctly rounded cosines, near-copies one ulp apart included."""
        problem = normal_problem(seed, dimension, "cosine")
        scores = oracle_scores(problem)
        assume(decided(problem, scores))
        check(problem, problem.count(top_k=top_k), scores, top_k, relative=1e-14)

    @given(
        SEEDS, DIMENSIONS, st.sampled_from(["one", "each", "1e-20", "1e-10", "1e10", "1e18"]), st.sampled_from([0, 5])
    )
    @settings(MODEST, max_examples=50)
    def test_dot(self, seed, dimension, scales, top_k):
        """Ranks and top-k are those of correctly rounded dot products, from the tiniest to the hugest embeddings."""
        problem = normal_problem(seed, dimension, "dot", scales)
        scores = oracle_scores(problem)
        assume(decided(problem, scores))
        check(problem, problem.count(top_k=top_k), scores, top_k, relative=1e-14)

    @given(SEEDS, st.integers(1, 4), st.sampled_from([1, 2, 5]), st.integers(0, 70))
    @settings(MODEST, max_examples=60)
    def test_integers_tie_exactly(self, seed, dimension, largest, top_k):
        """With integer embeddings scores are integers: different embeddings can tie exactly, and ranks are exact."""
        rng = np.random.default_rng(seed)
        queries = rng.integers(-largest, largest + 1, size=(int(rng.integers(1, 6)), dimension))
        queries[~queries.any(axis=1), 0] = 1
        passages = rng.integers(-largest, largest + 1, size=(int(rng.integers(1, 60)), dimension))
        problem = make_problem(rng, queries.astype(np.float32), passages.astype(np.float32), "dot")
        scores = [[sum(x * y for x, y in zip(q, p, strict=True)) for p in passages.tolist()] for q in queries.tolist()]
        check(problem, problem.count(top_k=top_k), scores, top_k)

    @given(SEEDS)
    @MODEST
    def test_rational_arithmetic(self, seed):
        """Float32 embeddings are fractions; ranks are those of their exact dot products, cancellation included."""
        rng = np.random.default_rng(seed)
        queries = rng.normal(size=(3, 3)).astype(np.float32)
        passages = rng.normal(size=(12, 3)).astype(np.float32)
        # nearly orthogonal to the first query: the score is what remains of products that cancel
        passages[::2] = np.cross(queries[0], passages[::2]).astype(np.float32)
        passages[-2:] = passages[:2]
        problem = make_problem(rng, queries, passages, "dot")
        scores = [
            [
                sum((Fraction(x) * Fraction(y) for x, y in zip(q, p, strict=True)), Fraction(0))
                for p in passages.tolist()
            ]
            for q in queries.tolist()
        ]
        assume(decided(problem, [[float(score) for score in row] for row in scores]))
        check(problem, problem.count(top_k=4), scores, 4, relative=1e-14)

    @given(SEEDS)
    @MODEST
    def test_on_a_line_every_cosine_is_one_or_minus_one(self, seed):
        """In one dimension cosines are +1 or -1 exactly, so that nothing but the order decides among equal signs."""
        problem = normal_problem(seed, 1, "cosine")
        signs = np.sign(problem.queries) * np.sign(problem.passages).T
        check(problem, problem.count(top_k=7), signs.tolist(), 7)

    def test_subnormal_and_zero_passages(self):
        """Dot products of subnormal float32 numbers are not flushed to zero, and a zero passage has score 0."""
        smallest = float(np.finfo(np.float32).smallest_subnormal)
        passages = np.array([[0, 0], [smallest, 0], [2 * smallest, 0], [-smallest, 0], [0, 1e30]], dtype=np.float32)
        problem = Problem(
            similarity="dot",
            queries=np.array([[1, 0], [0, -1]], dtype=np.float32),
            passages=passages,
            order=np.arange(5),
            segment=np.zeros(5, dtype=np.int64),
            segments=1,
            pair_query=np.repeat([0, 1], 5),
            pair_passage=np.tile(np.arange(5), 2),
        )
        for cuts in ((), (1,), (4,), (1, 2, 3, 4)):
            ranks = problem.count(cuts=cuts).ranks().tolist()
            assert ranks == [3, 2, 1, 5, 4, 1, 2, 3, 4, 5]

    def test_what_is_counted_if_nothing_else_is_said(self):
        """Cosines, in one segment, and no lists."""
        queries, passages = np.eye(2, dtype=np.float32), np.array([[9, 9], [1, 0.5], [2, 1]], dtype=np.float32)
        counter = RankCounter(queries, np.array([0, 1]), passages[[2, 1]], np.array([2, 1]))
        counter.count(passages, np.arange(3))
        found = counter.result()
        assert found.above.tolist() == [[1], [1]]  # equal directions, the smaller position first; and one above
        assert found.top_order.shape == found.top_scores.shape == (2, 0)

    def test_pool_wider_than_a_chunk(self):
        """A pool of several internal chunks, with copies in different chunks, is ranked as one."""
        rng = np.random.default_rng(1)
        queries = rng.normal(size=(4, 6)).astype(np.float32)
        passages = rng.normal(size=(2600, 6)).astype(np.float32)
        passages[rng.integers(2600, size=500)] = passages[rng.integers(20, size=500)]
        problem = make_problem(rng, queries, passages, "dot")
        scores = oracle_scores(problem)
        assert decided(problem, scores)
        check(problem, problem.count(top_k=300), scores, 300, relative=1e-14)


class TestTies:
    @given(SEEDS, DIMENSIONS, st.sampled_from(["cosine", "dot"]), st.integers(1, 90), st.integers(0, 100))
    @MODEST
    def test_equal_embeddings_are_ranked_by_order(self, seed, dimension, similarity, size, top_k):
        """In a pool of equal embeddings a passage's rank is its tie-break position plus one, and top-k follows it."""
        rng = np.random.default_rng(seed)
        passages = np.repeat(rng.normal(size=(1, dimension)), size, axis=0).astype(np.float32)
        problem = Problem(
            similarity=similarity,
            queries=rng.normal(size=(2, dimension)).astype(np.float32),
            passages=passages,
            order=rng.permutation(size),
            segment=np.zeros(size, dtype=np.int64),
            segments=1,
            pair_query=np.repeat([0, 1], size),
            pair_passage=np.tile(np.arange(size), 2),
        )
        ranking = problem.count(top_k=top_k, cuts=(size // 2,), rows=rng.permutation(size))
        assert ranking.ranks().tolist() == (np.tile(problem.order, 2) + 1).tolist()
        best = [*range(min(size, top_k)), *[-1] * (top_k - size)]
        assert ranking.top_order.tolist() == [best, best]
        assert all(len(set(row[: min(size, top_k)])) <= 1 for row in ranking.top_scores.tolist())

    @given(SEEDS, DIMENSIONS, st.sampled_from(["cosine", "dot"]), st.integers(0, 30))
    @MODEST
    def test_only_equals_that_come_first_in_order_stand_above(self, seed, dimension, similarity, copies):
        """The best passage has the rank 1 + (its copies with a smaller position): it never counts against itself."""
        rng = np.random.default_rng(seed)
        query = rng.normal(size=(1, dimension)).astype(np.float32)
        others = (-query * rng.uniform(0.5, 2, size=(10, 1))).astype(np.float32)
        passages = np.concatenate([np.repeat(query, copies + 1, axis=0), others])
        order = rng.permutation(len(passages))
        counter = RankCounter(query, np.array([0]), passages[:1], order[:1], similarity=similarity, device="cpu")
        counter.count(passages, order)
        assert counter.result().ranks().tolist() == [1 + int((order[1 : copies + 1] < order[0]).sum())]

    def test_nothing_counted_yet(self):
        """Before anything is counted nothing stands above, and an uncounted relevant passage does not count itself."""
        one = np.ones((1, 2), dtype=np.float32)
        counter = RankCounter(one, np.array([0, 0]), np.ones((2, 2), dtype=np.float32), np.array([4, 9]), top_k=2)
        counter.count(np.empty((0, 2), dtype=np.float32), np.empty(0, dtype=np.int64))
        result = counter.result()
        assert result.above.tolist() == [[0], [0]]
        assert result.top_order.tolist() == [[-1, -1]]
        assert result.top_scores.tolist() == [[-math.inf, -math.inf]]

    @given(st.lists(st.text(min_size=1), unique=True, max_size=30))
    @MODEST
    def test_tie_order(self, ids):
        """Positions number the ids by descending bytes, as trec_eval's strcmp does (where ids can be bytes at all)."""
        assume(all(not any("\ud800" <= c <= "\udfff" for c in i) for i in ids))
        by_bytes = sorted(ids, key=lambda i: i.encode(), reverse=True)
        assert tie_order(ids).tolist() == [by_bytes.index(i) for i in ids]


class TestTop:
    @pytest.mark.parametrize("top_k", [1, 3, 4, 10])
    def test_fewer_passages_than_k(self, top_k):
        """Beyond the pool's size places are filled with -1 and -inf, also while the pool comes in pieces."""
        passages = np.array([[1, 0], [3, 0], [2, 0]], dtype=np.float32)
        counter = RankCounter(
            np.array([[1, 0]], dtype=np.float32), np.empty(0, dtype=np.int64), np.empty((0, 2), dtype=np.float32),
            np.empty(0, dtype=np.int64), similarity="dot", top_k=top_k, device="cpu",
        )  # fmt: skip
        for row in range(3):
            counter.count(passages[row : row + 1], np.array([row + 5]))
        result = counter.result()
        assert result.ranks().tolist() == []
        assert result.top_order.tolist() == [[*[6, 7, 5][:top_k], *[-1] * (top_k - 3)]]
        assert result.top_scores.tolist() == [[*[3.0, 2.0, 1.0][:top_k], *[-math.inf] * (top_k - 3)]]

    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    def test_more_near_ties_than_slack(self, similarity):
        """Hundreds of passages that float32 products cannot tell apart are put into their float64 order."""
        rng = np.random.default_rng(3)
        base = rng.normal(size=32).astype(np.float32)
        passages = np.repeat(base[None], 400, axis=0)
        for row in range(1, 400):  # each differs from the others in one component, by some ulps
            steps = passages[row].view(np.int32)
            steps[row % 32] += 1 + row // 32
        queries = (base + rng.normal(size=(2, 32))).astype(np.float32)
        problem = make_problem(rng, queries, passages, similarity)
        exact = [
            [sum((Fraction(x) * Fraction(y) for x, y in zip(q, p, strict=True)), Fraction()) for p in passages.tolist()]
            for q in queries.tolist()
        ]
        if similarity == "cosine":  # of one sign, so that squares are in the same order
            lengths = [sum((Fraction(x) ** 2 for x in p), Fraction()) for p in passages.tolist()]
            exact = [[s * abs(s) / n for s, n in zip(row, lengths, strict=True)] for row in exact]
        order = oracle_rankings(problem, exact)
        top = problem.count(top_k=40, cuts=(100, 101))
        clear = 0
        for query, best in enumerate(order):
            found = [int(np.flatnonzero(problem.order == o)[0]) for o in top.top_order[query]]
            # float64 itself cannot tell apart what is closer than about 1e-15: there any order of the two is right
            scale = max(abs(float(value)) for value in exact[query])
            for place, (mine, theirs) in enumerate(zip(found, best, strict=False)):
                gap = abs(float(exact[query][mine] - exact[query][theirs])) / scale
                assert gap < 1e-14, place
                clear += mine == theirs
            assert (np.diff(top.top_scores[query]) <= 0).all()
        assert clear > 60

    @given(SEEDS)
    @MODEST
    def test_best_of_growing_pool(self, seed):
        """After every call top-k is the oracle's over the passages counted so far."""
        rng = np.random.default_rng(seed)
        queries = rng.integers(1, 3, size=(2, 2))
        passages = rng.integers(-2, 3, size=(60, 2))
        order = rng.permutation(60)
        empty = np.empty(0, dtype=np.int64)
        counter = RankCounter(
            queries.astype(np.float32), empty, np.empty((0, 2), dtype=np.float32), empty,
            similarity="dot", top_k=5, device="cpu",
        )  # fmt: skip
        for end in (3, 30, 60):
            start = {3: 0, 30: 3, 60: 30}[end]
            counter.count(passages[start:end].astype(np.float32), order[start:end])
            scores = queries @ passages[:end].T
            best = [sorted(range(end), key=lambda p: (-row[p], order[p]))[:5] for row in scores]
            missing = max(0, 5 - end)
            assert counter.result().top_order.tolist() == [order[b].tolist() + [-1] * missing for b in best]
