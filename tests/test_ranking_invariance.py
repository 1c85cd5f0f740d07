"""What ranks do not depend on: chunks, threads, precision, device, segments."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ranking_oracles import decided, oracle_rankings, oracle_scores
from ranking_problems import (
    DIMENSIONS,
    MODEST,
    SEEDS,
    Problem,
    _torch_settings,  # noqa: F401 - for every test here
    make_problem,
    normal_problem,
    same,
)


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
        """Ranking works whichever of torch's switches for precision the user has turned, and leaves all of them.

        While it multiplies, those of products are turned to float32, where torch has them.
        """
        code = """
import os
import numpy as np, torch
from mteb_hybrid import ranking
from mteb_hybrid.ranking import RankCounter

def product(queries, passages, out, multiply=ranking.fast_product):
    used.update(one for one in switches()[1::2] if one is not None)
    multiply(queries, passages, out)

ranking.fast_product = product

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
        before, used = switches(), set()
        one = np.ones((1, 3), dtype=np.float32)
        counter = RankCounter(one, np.array([0]), one, np.array([1]), device="cpu")
        counter.count(np.array([[1, 2, 3], [1, 1, 1]], dtype=np.float32), np.arange(2))
        assert counter.result().ranks().tolist() == [1]
        if switches() != before:
            print(setting, "left as", switches(), "not", before)
        if not used <= {"ieee"}:
            print(setting, "used while ranking:", used)
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
