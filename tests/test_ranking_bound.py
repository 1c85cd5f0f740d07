"""How far a fast score may be off, and that a product which is further off is noticed."""

from __future__ import annotations

import logging
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ranking_oracles import check, decided, oracle_scores
from ranking_problems import (
    MODEST,
    SEEDS,
    Problem,
    _torch_settings,  # noqa: F401 - for every test here
    normal_problem,
    same,
)

from mteb_hybrid.exact import ExactArithmetic, error_bound
from mteb_hybrid.ranking import fast_product
from mteb_hybrid.vectors import Passages, Queries


class TestErrorBound:
    @pytest.mark.parametrize("dimension", [1, 2, 3, 17, 384, 1000, 4096])
    @pytest.mark.parametrize("kind", ["equal", "positive", "normal", "alternating", "swallowed", "cancelling", "tiny"])
    def test_holds(self, dimension, kind):
        """|float32 product - exact product| stays below the bound, in torch's order and in the worst, one by one."""
        rng = np.random.default_rng(dimension)
        one = {
            "equal": np.ones(dimension),
            "positive": rng.uniform(0.5, 1, size=dimension),
            "normal": rng.normal(size=dimension),
            "alternating": (-1.0) ** np.arange(dimension) * rng.uniform(0.9, 1, size=dimension),
            # every later product is just less than half an ulp of the first, and lost if added to it one by one
            "swallowed": np.append(1, np.full(dimension - 1, math.sqrt(0.99 * 2.0**-25))),
            "cancelling": np.append(rng.normal(size=dimension - 1), 1),
            "tiny": np.append(1, np.full(dimension - 1, 1e-30)),
        }[kind]
        other = one.copy()
        if kind == "cancelling":
            other[: dimension // 2] *= -1
        x, y = (v / np.linalg.norm(v) for v in (one, other))
        exact = float(sum((Fraction(a) * Fraction(b) for a, b in zip(x.tolist(), y.tolist(), strict=True)), Fraction()))
        fast_x, fast_y = x.astype(np.float32), y.astype(np.float32)
        product = torch.from_numpy(fast_x[None]) @ torch.from_numpy(fast_y[:, None])
        one_by_one = (fast_x * fast_y).cumsum(dtype=np.float32)[-1]
        assert abs(float(product) - exact) <= error_bound(dimension)
        assert abs(float(one_by_one) - exact) <= error_bound(dimension)

    def test_is_not_generous_by_orders_of_magnitude(self):
        """Some order of summation comes within a factor of 20 of the bound: it is a bound, not just a large number."""
        dimension = 4096
        swallowed = np.append(1, np.full(dimension - 1, math.sqrt(0.99 * 2.0**-25)))
        fast = (swallowed / np.linalg.norm(swallowed)).astype(np.float32)
        exact = float(sum((Fraction(x) ** 2 for x in fast.tolist()), Fraction()))
        worst = abs(float((fast * fast).cumsum(dtype=np.float32)[-1]) - exact)
        assert error_bound(dimension) / 20 < worst < error_bound(dimension)

    @pytest.mark.parametrize("dimension", [1, 384, 4096])
    def test_grows_with_the_coarseness_of_the_type(self, dimension):
        """Float64 has a bound far below float32's, and both grow with the dimension."""
        assert error_bound(dimension, torch.float64) < error_bound(dimension) / 1e6
        assert error_bound(dimension + 1) > error_bound(dimension)

    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    @pytest.mark.parametrize("length", [1e-30, 0.6, 1.0, 3.0, 1e18])
    def test_is_of_vectors_no_longer_than_one(self, length, similarity):
        """So that is what products are taken of: divided by a power of two, which rounds nothing, or by lengths."""
        vectors = np.array([[0.6, 0.8], [0.5, 0.0], [-0.1, 0.2]], dtype=np.float32) * np.float32(length)
        arithmetic = ExactArithmetic(2, torch.device("cpu"))
        queries = Queries(vectors, similarity, torch.device("cpu"), arithmetic)
        fast, scale = Passages.of(vectors, queries, arithmetic).fast(torch.float64, arithmetic)
        lengths = fast.norm(dim=1)
        assert 0.5 < lengths.max() <= 1 + 1e-12
        if similarity == "dot":
            assert (fast * scale).tolist() == vectors.tolist()

    @given(SEEDS, st.sampled_from([1, 3, 31, 60]), st.sampled_from(["cosine", "dot"]))
    @MODEST
    def test_coarse_products_within_their_bound(self, seed, dimension, similarity):
        """Even with bfloat16 products, of which nearly all decide nothing, ranks and top-k are the same to the bit."""
        problem = normal_problem(seed, dimension, similarity)
        counter = problem.counter(top_k=5)
        counter.fast_type = torch.bfloat16
        for segment in range(problem.segments):
            inside = problem.segment == segment
            counter.count(problem.passages[inside], problem.order[inside], segment)
        assert same(problem.count(top_k=5), counter.result())


def _bfloat16_product(one: torch.Tensor, other: torch.Tensor, out: torch.Tensor) -> None:
    if one.dtype is torch.float32:
        out.copy_(one.bfloat16() @ other.bfloat16().T)
    else:
        fast_product(one, other, out)


def _shifted_product(one: torch.Tensor, other: torch.Tensor, out: torch.Tensor) -> None:
    fast_product(one, other, out)
    if out.dtype is torch.float32:
        out += 1e-3 * torch.arange(out.shape[1])


def _corner_product(one: torch.Tensor, other: torch.Tensor, out: torch.Tensor) -> None:
    """As if what a library computes in pieces were wrong in the last one."""
    fast_product(one, other, out)
    if out.dtype is torch.float32:
        out[-1, -1] += 1


def _no_product(one: torch.Tensor, other: torch.Tensor, out: torch.Tensor) -> None:
    fast_product(one, other, out)
    if out.dtype is torch.float32:
        out *= torch.nan


class TestSabotage:
    """Float32 products that are worse than float32 allows are noticed, and ranking goes on in float64."""

    @staticmethod
    def problem(relevant_last: bool = False) -> Problem:
        rng = np.random.default_rng(7)
        passages = rng.normal(size=(600, 64)).astype(np.float32)
        relevant = np.arange(580, 600) if relevant_last else rng.permutation(600)[:20]
        return Problem(
            similarity="cosine",
            queries=rng.normal(size=(20, 64)).astype(np.float32),
            passages=passages,
            order=np.arange(600),
            segment=np.zeros(600, dtype=np.int64),
            segments=1,
            pair_query=np.arange(20),
            pair_passage=relevant,
        )

    @pytest.mark.parametrize("product", [_bfloat16_product, _shifted_product, _corner_product, _no_product])
    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    def test_noticed(self, product, similarity, monkeypatch, caplog):
        """Rounded, shifted and NaN products, wrong corners too, end in a warning and in the ranks of good ones."""
        problem = Problem(**{**vars(self.problem()), "similarity": similarity})
        good = problem.count(top_k=10)
        scores = oracle_scores(problem)
        assert decided(problem, scores)
        check(problem, good, scores, 10, relative=1e-14)
        monkeypatch.setattr("mteb_hybrid.ranking.fast_product", product)
        counter = problem.counter(top_k=10)
        with caplog.at_level(logging.WARNING):
            counter.count(problem.passages, problem.order)
        assert same(good, counter.result())
        assert counter.fast_type is torch.float64
        assert len([record for record in caplog.records if "ranking in float64" in record.message]) == 1

    def test_noticed_in_a_part_of_a_block(self, monkeypatch):
        """Where a block had no room and came in parts, those with good products are not counted a second time."""
        problem = self.problem()
        good, last = problem.count(top_k=10), torch.from_numpy(problem.queries[-1])

        def product(one: torch.Tensor, other: torch.Tensor, out: torch.Tensor) -> None:
            if len(one) > 5:
                raise torch.cuda.OutOfMemoryError("no room")
            fast_product(one, other, out)
            if out.dtype is torch.float32 and torch.allclose(one[-1], last / last.norm()):
                out += 0.5

        monkeypatch.setattr("mteb_hybrid.ranking.fast_product", product)
        counter = problem.counter(top_k=10)
        counter.count(problem.passages, problem.order)
        assert counter.fast_type is torch.float64
        assert same(good, counter.result())

    def test_good_products_are_kept(self, caplog):
        """Without sabotage nothing is warned of and the fast type stays float32."""
        problem = self.problem()
        counter = problem.counter(top_k=10)
        with caplog.at_level(logging.WARNING):
            counter.count(problem.passages, problem.order)
        assert counter.fast_type is torch.float32
        assert not caplog.records

    def test_autocast(self):
        """A caller's autocast to bfloat16 does not reach the ranks."""
        problem = self.problem()
        good = problem.count(top_k=10)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert same(good, problem.count(top_k=10))

    @pytest.mark.parametrize("product", [_bfloat16_product, _shifted_product])
    def test_noticed_in_chunks_without_relevant_passages(self, product, monkeypatch):
        """Bad products do not decide either where a part of the pool holds no relevant passage to check them by."""
        problem = self.problem(relevant_last=True)
        good = problem.count(top_k=10)
        monkeypatch.setattr("mteb_hybrid.ranking.fast_product", product)
        assert same(good, problem.count(top_k=10, cuts=(300, 580)))

    def test_autocast_in_chunks_without_relevant_passages(self):
        """Nor does a caller's autocast, where a part of the pool holds no relevant passage."""
        problem = self.problem(relevant_last=True)
        good = problem.count(top_k=10)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert same(good, problem.count(top_k=10, cuts=(300, 580)))
