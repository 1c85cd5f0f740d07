"""Ranks and top-k of `mteb_hybrid.ranking` against oracles that share no code with it."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ranking_problems import Problem, make_problem, normal_problem, same

from mteb_hybrid.exact import error_bound
from mteb_hybrid.ranking import RankCounter, Ranking, fast_product, tie_order

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


def oracle_scores(problem: Problem) -> list[list[float]]:
    """Correctly rounded sums of exact products (float32 times float32 fits a float64), one number at a time."""
    queries, passages = problem.queries.tolist(), problem.passages.tolist()
    lengths = [math.sqrt(math.fsum(x * x for x in passage)) for passage in passages]
    scores = [[math.fsum(x * y for x, y in zip(q, p, strict=True)) for p in passages] for q in queries]
    if problem.similarity == "dot":
        return scores
    own = [math.sqrt(math.fsum(x * x for x in query)) for query in queries]
    return [[s / a / b for s, b in zip(row, lengths, strict=True)] for row, a in zip(scores, own, strict=True)]


def decided(problem: Problem, scores: list[list[float]]) -> bool:
    """Whether passages score 1e-12 apart, in units of both vectors' lengths, unless their embeddings are equal."""
    lengths = np.linalg.norm(problem.passages.astype(np.float64), axis=1)
    same = (problem.passages[:, None] == problem.passages[None]).all(axis=2)
    for query, row in zip(problem.queries.astype(np.float64), np.array(scores), strict=True):
        unit = np.linalg.norm(query) * np.maximum(lengths[:, None], lengths[None]) if problem.similarity == "dot" else 1
        if not (same | (np.abs(row[:, None] - row[None]) > 1e-12 * unit)).all():
            return False
    return True


def oracle_rankings(problem: Problem, scores: list[list]) -> list[list[int]]:
    """Passages of each query, best first: by score, then by tie-break position."""
    return [sorted(range(len(row)), key=lambda p: (-row[p], problem.order[p])) for row in scores]


def check(problem: Problem, ranking: Ranking, scores: list[list], top_k: int, relative: float = 0) -> None:
    """Ranks, counts per segment, and the best k are the oracle's."""
    rankings = oracle_rankings(problem, scores)
    for pair, (query, passage) in enumerate(zip(problem.pair_query, problem.pair_passage, strict=True)):
        above = rankings[query][: rankings[query].index(passage)]
        assert ranking.above[pair].tolist() == np.bincount(problem.segment[above], minlength=problem.segments).tolist()
        assert ranking.ranks()[pair] == len(above) + 1
    for query, best in enumerate(rankings):
        missing = max(0, top_k - len(best))
        assert ranking.top_order[query].tolist() == [int(problem.order[p]) for p in best[:top_k]] + [-1] * missing
        expected = [float(scores[query][p]) for p in best[:top_k]] + [-math.inf] * missing
        if relative:
            lengths = np.linalg.norm(problem.passages[best[:top_k]].astype(np.float64), axis=1)
            lengths *= np.linalg.norm(problem.queries[query].astype(np.float64))
            allowed = relative * (lengths if problem.similarity == "dot" else np.ones_like(lengths))
            kept = len(best[:top_k])
            assert (np.abs(ranking.top_scores[query][:kept] - expected[:kept]) <= allowed).all()
            assert ranking.top_scores[query][kept:].tolist() == expected[kept:]
        else:
            assert ranking.top_scores[query].tolist() == expected


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


class TestInvariance:
    @given(
        SEEDS,
        DIMENSIONS,
        st.sampled_from(["cosine", "dot"]),
        st.sampled_from([1, 7, 64, 1 << 20]),
        st.lists(st.integers(0, 40), max_size=4),
        st.sampled_from([0, 3, 50]),
    )
    @settings(MODEST, max_examples=50)
    def test_chunks_and_order_of_the_pool(self, seed, dimension, similarity, block_elements, cuts, top_k):
        """Blocks, calls (empty ones too), and the order of passages and segments change no bit of the result."""
        problem = normal_problem(seed, dimension, similarity)
        rows = np.random.default_rng(seed + 1).permutation(len(problem.passages))
        once = problem.count(top_k=top_k)
        again = problem.count(
            top_k=top_k, rows=rows, cuts=tuple(cuts), backwards=bool(seed % 2), block_elements=block_elements
        )
        assert same(once, again)

    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    @pytest.mark.parametrize("dimension", [1, 3, 384, 1000])
    def test_threads_and_precision(self, dimension, similarity):
        """The number of threads and the user's float32 precision change no bit, and the precision is as before."""
        rng = np.random.default_rng(dimension)
        passages = rng.normal(size=(450, dimension)).astype(np.float32)
        passages[150:300] = np.nextafter(passages[:150], np.float32(np.inf), dtype=np.float32)
        queries = passages[rng.integers(450, size=16)] + rng.normal(size=(16, dimension)) * 0.1
        problem = make_problem(rng, queries.astype(np.float32), passages, similarity)
        results = []
        for threads, precision in ((1, "highest"), (2, "highest"), (1, "medium"), (2, "high")):
            torch.set_num_threads(threads)
            torch.set_float32_matmul_precision(precision)
            results.append(problem.count(top_k=20))
            assert torch.get_float32_matmul_precision() == precision
        assert all(same(results[0], result) for result in results[1:])

    def test_precision_set_by_backend(self):
        """Ranking works whichever of torch's switches for precision the user has turned, and leaves all of them."""
        code = """
import os
import numpy as np, torch
from mteb_hybrid.ranking import RankCounter

def switches():
    backends = torch.backends
    owners = [backends, backends.cuda.matmul, backends.mkldnn, getattr(backends.mkldnn, "matmul", None)]
    return [getattr(owner, "fp32_precision", None) for owner in owners]

settings = ["torch.backends.cuda.matmul.allow_tf32 = True"]
if hasattr(torch.backends.mkldnn, "matmul"):
    settings += [
        "torch.backends.fp32_precision = 'tf32'",
        "torch.backends.cuda.matmul.fp32_precision = 'tf32'",
        "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
    ]
for setting in settings:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        continue
    try:
        exec(setting)
        before = switches()
        one = np.ones((1, 3), dtype=np.float32)
        counter = RankCounter(one, np.array([0]), one, np.array([1]), device="cpu")
        counter.count(np.array([[1, 2, 3], [1, 1, 1]], dtype=np.float32), np.arange(2))
        assert counter.result().ranks().tolist() == [1]
        if switches() != before:
            print(setting, "left as", switches(), "not", before)
    except BaseException as error:
        print(setting, "ended in", type(error).__name__, str(error)[:100])
    os._exit(0 if not __import__("sys").stdout.flush() else 1)
print("done")
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
        assert done.stdout == "done\n", done.stdout + done.stderr[-500:]

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    @pytest.mark.parametrize("dimension", [1, 3, 384, 1000])
    def test_gpu(self, dimension, similarity):
        """Ranks, top-k and scores on a GPU are the CPU's to the last bit, TF32 allowed or not."""
        rng = np.random.default_rng(dimension)
        passages = rng.normal(size=(3000, dimension)).astype(np.float32)
        passages[1000:2000] = np.nextafter(passages[:1000], np.float32(np.inf), dtype=np.float32)
        passages[2000:2500] = passages[:500]
        queries = passages[rng.integers(3000, size=100)] + rng.normal(size=(100, dimension)) * 0.1
        problem = make_problem(rng, queries.astype(np.float32), passages, similarity)
        cpu = problem.count(top_k=50)
        for precision in ("highest", "high", "medium"):
            torch.set_float32_matmul_precision(precision)
            assert same(cpu, problem.count(top_k=50, device="cuda"))
            assert torch.get_float32_matmul_precision() == precision


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


class TestSegments:
    @given(SEEDS, st.sampled_from([2, 31]), st.sampled_from(["cosine", "dot"]))
    @MODEST
    def test_counts_add_up_and_stand_alone(self, seed, dimension, similarity):
        """Summed over segments counts are the one-segment pool's; each is what counting that segment alone gives."""
        problem = normal_problem(seed, dimension, similarity)
        ranking = problem.count()
        whole = Problem(**{**vars(problem), "segment": np.zeros_like(problem.segment), "segments": 1}).count()
        assert (ranking.ranks() == whole.ranks()).all()
        assert (ranking.ranks() == 1 + ranking.above.sum(axis=1)).all()
        for segment in range(problem.segments):
            inside = problem.segment == segment
            alone = problem.counter()
            alone.count(problem.passages[inside], problem.order[inside])
            assert (alone.result().above[:, 0] == ranking.above[:, segment]).all()

    @given(SEEDS, st.sampled_from([2, 31]), st.sampled_from(["cosine", "dot"]))
    @MODEST
    def test_diagonal_is_the_monolingual_rank(self, seed, dimension, similarity):
        """Where query and relevant passage share a segment, 1 + above there is the oracle's rank in that segment."""
        problem = normal_problem(seed, dimension, similarity)
        scores = oracle_scores(problem)
        assume(decided(problem, scores))
        ranking, rankings = problem.count(), oracle_rankings(problem, scores)
        for pair, (query, passage) in enumerate(zip(problem.pair_query, problem.pair_passage, strict=True)):
            mine = problem.segment[passage]
            inside = [p for p in rankings[query] if problem.segment[p] == mine]
            assert 1 + ranking.above[pair, mine] == 1 + inside.index(passage)


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

    @pytest.mark.parametrize("product", [_bfloat16_product, _shifted_product, _no_product])
    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    def test_noticed(self, product, similarity, monkeypatch, caplog):
        """Rounded, shifted and NaN products end in a warning and in the ranks that good products give."""
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
