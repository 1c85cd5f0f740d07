"""The ways that the kernel takes through blocks of different kinds: all of them end in the same ranks and lists."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ranking_problems import (
    MODEST,
    SEEDS,
    Problem,
    normal_problem,
    same,
)

from mteb_hybrid import arrays, ranking
from mteb_hybrid.above import Above
from mteb_hybrid.arrays import Mask, positions_within
from mteb_hybrid.ranking import RankCounter, fast_product
from mteb_hybrid.top_lists import Candidates, merge_lists
from mteb_hybrid.vectors import Chunk

KINDS = ("high", "random", "last", "mixed", "rising")


def pool(kind: str, relevant: int, similarity: str = "cosine", passages: int = 2500, queries: int = 60) -> Problem:
    """Pools of which few, half or all passages stand above the relevant ones, with copies and near-copies.

    In a rising pool every passage is nearer to the queries than those before it: lists of the best never settle.
    """
    rng = np.random.default_rng(len(kind) * 31 + relevant)
    embeddings = rng.normal(size=(passages, 24))
    asked = rng.normal(size=(queries, 24))
    pair_passage = np.array([rng.choice(passages, size=relevant, replace=False) for _ in range(queries)])
    near = embeddings[pair_passage].mean(axis=1) * np.sqrt(relevant)
    if kind == "high":
        asked = near + 0.1 * asked
    elif kind == "last":
        asked = 0.1 * asked - near
    elif kind == "mixed":
        asked[::2] = near[::2] + 0.1 * asked[::2]
    elif kind == "rising":
        asked = 1 + 0.1 * asked
        embeddings += np.linspace(0, 3, passages)[:, None]
    embeddings = embeddings.astype(np.float32)
    copies = rng.choice(passages, size=(2, passages // 8), replace=False)
    embeddings[copies[0]] = embeddings[copies[1]]
    embeddings[copies[0][::2], 0] = np.nextafter(embeddings[copies[0][::2], 0], np.float32(np.inf), dtype=np.float32)
    return Problem(
        similarity=similarity,
        queries=asked.astype(np.float32),
        passages=embeddings,
        order=rng.permutation(passages),
        segment=np.sort(rng.integers(3, size=passages)),
        segments=3,
        pair_query=np.repeat(np.arange(queries), relevant),
        pair_passage=pair_passage.ravel(),
    )


def plain_scores(problem: Problem) -> np.ndarray:
    """Float64 scores by one product of matrices, shape (queries, passages), equal for equal embeddings."""
    queries, passages = problem.queries.astype(np.float64), problem.passages.astype(np.float64)
    _, first, copy_of = np.unique(problem.passages, axis=0, return_index=True, return_inverse=True)
    scores = (queries @ passages.T)[:, first[copy_of.ravel()]]
    if problem.similarity == "cosine":
        scores /= np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(passages, axis=1)[first[copy_of.ravel()]]
    return scores


class TestAgainstSorting:
    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    @pytest.mark.parametrize("relevant", [1, 2, 3, 4, 11, 20])
    @pytest.mark.parametrize("kind", KINDS)
    def test_ranks_and_lists(self, kind, relevant, similarity):
        """Counts in each segment, and the best 30, are those of a plain sort, whichever way a block goes."""
        problem = pool(kind, relevant, similarity)
        counter = problem.counter(top_k=30, block_elements=1 << 13)
        counter.count(problem.passages, problem.order, problem.segment)
        found = counter.result()
        scores = plain_scores(problem)
        best = np.array([np.lexsort((problem.order, -row)) for row in scores])
        place = best.argsort(axis=1)
        above = place[problem.pair_query] < place[problem.pair_query, problem.pair_passage][:, None]
        for segment in range(3):
            assert found.above[:, segment].tolist() == above[:, problem.segment == segment].sum(axis=1).tolist()
        assert found.top_order.tolist() == problem.order[best[:, :30]].tolist()
        expected = np.take_along_axis(scores, best[:, :30], axis=1)
        assert np.allclose(found.top_scores, expected, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("top_k", [1, 7, 600, 2499, 2500, 4000])
    @pytest.mark.parametrize("kind", ["random", "rising"])
    def test_lists_of_any_length(self, kind, top_k):
        """Lists of one, of the whole pool and longer ones, filled by one call or by many."""
        problem = pool(kind, 2)
        best = np.array([np.lexsort((problem.order, -row)) for row in plain_scores(problem)])[:, :top_k]
        once = problem.count(top_k=top_k)
        assert once.top_order[:, :2500].tolist() == problem.order[best].tolist()
        assert (once.top_order[:, 2500:] == -1).all()
        assert same(once, problem.count(top_k=top_k, cuts=tuple(range(100, 2500, 100)), block_elements=5000))

    @given(SEEDS, st.integers(1, 40), st.integers(1, 300))
    @MODEST
    def test_equal_scores_by_the_hundred(self, seed, top_k, size):
        """Where nearly all scores are equal the best k are the first by position, however many may be among them."""
        rng = np.random.default_rng(seed)
        passages = np.ones((size, 3), dtype=np.float32)
        passages[rng.random(size) < 0.1] *= 2
        order, none = rng.permutation(size), np.empty(0, dtype=np.int64)
        query = np.ones((2, 3), dtype=np.float32)
        counter = RankCounter(
            query, none, np.empty((0, 3), dtype=np.float32), none, similarity="dot", top_k=top_k, device="cpu"
        )
        for part in np.array_split(np.arange(size), 3):
            counter.count(passages[part], order[part])
        best = np.lexsort((order, -passages[:, 0]))[:top_k]
        expected = [*order[best].tolist(), *[-1] * (top_k - size)]
        assert counter.result().top_order.tolist() == [expected, expected]


class TestSegmentsInOneCall:
    @given(SEEDS, st.sampled_from([2, 31]), st.sampled_from(["cosine", "dot"]), st.sampled_from([7, 64, 1 << 20]))
    @MODEST
    def test_like_a_call_for_each(self, seed, dimension, similarity, block_elements):
        """Passages of all segments in one call, in any order, are counted as segment by segment."""
        problem = normal_problem(seed, dimension, similarity)
        rows = np.random.default_rng(seed).permutation(len(problem.passages))
        counter = problem.counter(top_k=5, block_elements=block_elements)
        counter.count(problem.passages[rows], problem.order[rows], problem.segment[rows])
        assert same(problem.count(), counter.result())

    @pytest.mark.parametrize("segment", [2, -1, np.array([0, 2]), np.array([-1, 0]), np.array([0]), np.zeros((2, 1))])
    def test_segments_that_there_are_not(self, segment):
        """Segments outside of the pool's, and not one for each passage, are refused."""
        one, zero = np.ones((1, 2), dtype=np.float32), np.zeros(1, dtype=np.int64)
        counter = RankCounter(one, zero, one, zero, segments=2, device="cpu")
        with pytest.raises(ValueError, match="fit"):
            counter.count(np.ones((2, 2), dtype=np.float32), np.arange(2), segment)


class TestTorchArrays:
    """On other devices than a CPU the kernel works with torch instead of numpy."""

    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    @pytest.mark.parametrize("relevant", [1, 11])
    @pytest.mark.parametrize("kind", KINDS)
    def test_same_to_the_bit(self, kind, relevant, similarity, monkeypatch):
        """Ranks, lists and scores are those of numpy, also in a counter that goes on from a result."""
        problem = pool(kind, relevant, similarity)
        expected = problem.count(top_k=30)
        monkeypatch.setattr("mteb_hybrid.ranking.as_array", lambda tensor: tensor)
        monkeypatch.setattr("mteb_hybrid.vectors.as_array", lambda tensor: tensor)
        assert same(expected, problem.count(top_k=30, block_elements=1 << 13))
        first, second = (problem.counter(top_k=30) for _ in range(2))
        first.count(problem.passages[:1000], problem.order[:1000], problem.segment[:1000])
        second.restore(first.result())
        second.count(problem.passages[1000:], problem.order[1000:], problem.segment[1000:])
        assert same(expected, second.result())

    def test_are_made_on_the_device_of_others(self):
        """Where the array is that another one is made for: here, torch's device without memory."""
        like = torch.empty(2, device="meta")
        made = [arrays.arange(3, like), arrays.zeros((2, 3), like), arrays.full((3,), 0.5, like)]
        assert {one.device for one in made} == {like.device}

    @given(SEEDS, st.sampled_from([1, 31]), st.sampled_from(["cosine", "dot"]))
    @MODEST
    def test_small_pools(self, seed, dimension, similarity):
        """The same on pools of a few passages, many of them equal."""
        problem = normal_problem(seed, dimension, similarity)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mteb_hybrid.ranking.as_array", lambda tensor: tensor)
            patch.setattr("mteb_hybrid.vectors.as_array", lambda tensor: tensor)
            found = problem.count()
        assert same(problem.count(), found)


class TestOutOfMemory:
    """A GPU that runs out of memory gets smaller blocks, and nothing is counted twice or lost."""

    @pytest.mark.parametrize("limit", [1, 100, 1000])
    def test_blocks_that_are_too_large(self, limit, monkeypatch, caplog):
        """Blocks are halved until they fit; the result is the same."""
        problem = pool("mixed", 3, passages=300, queries=20)
        expected, rooms = problem.count(top_k=7), []

        def limited(one: torch.Tensor, other: torch.Tensor, out: torch.Tensor) -> None:
            rooms.append(out.untyped_storage().nbytes())
            if out.numel() > limit:
                raise torch.cuda.OutOfMemoryError("no room")
            fast_product(one, other, out)

        monkeypatch.setattr("mteb_hybrid.ranking.fast_product", limited)
        counter = problem.counter(top_k=7, block_elements=1 << 14)
        with caplog.at_level(logging.WARNING):
            counter.count(problem.passages, problem.order, problem.segment)
        assert same(expected, counter.result())
        assert counter.block_elements == max(1, (1 << 14) >> len(caplog.records)) < 1 << 14
        assert rooms[-1] < rooms[0]  # room that was taken before is given back
        assert "out of memory" in caplog.records[0].message

    @pytest.mark.parametrize("limit", [1, 100])
    def test_chunks_that_are_too_large(self, limit, monkeypatch):
        """Passages that have no room together come fewer at a time; the result is the same."""
        problem = pool("mixed", 3, passages=300, queries=20)
        expected, original = problem.count(top_k=7), Chunk.of

        def limited(embeddings: np.ndarray, *others: object) -> Chunk:
            if len(embeddings) > limit:
                raise torch.cuda.OutOfMemoryError("no room")
            return original(embeddings, *others)

        monkeypatch.setattr(Chunk, "of", limited)
        assert same(expected, problem.count(top_k=7, block_elements=1 << 14))

    @pytest.mark.parametrize("every", [2, 3])
    @pytest.mark.parametrize(
        ("owner", "name"),
        [(ranking, "fast_product"), (ranking, "merge_lists"), (Candidates, "best"), (Above, "add"), (Chunk, "of")],
    )
    def test_wherever_it_happens(self, owner, name, every, monkeypatch):
        """However far a block has come, it is counted once."""
        problem = pool("random", 3, passages=900, queries=40)
        expected = problem.count(top_k=7)
        original, calls = getattr(owner, name), []

        def failing(*arguments):
            calls.append(name)
            if len(calls) % every == 0 and len(calls) <= 4 * every:
                raise torch.cuda.OutOfMemoryError("no room")
            return original(*arguments)

        monkeypatch.setattr(owner, name, failing)
        assert same(expected, problem.count(top_k=7, block_elements=1 << 11))
        assert len(calls) >= every

    @pytest.mark.parametrize(("owner", "name"), [(ranking, "fast_product"), (Chunk, "of")])
    def test_nothing_smaller_is_left(self, owner, name, monkeypatch):
        """When not even one score, or one passage, has room the error of torch is passed on."""

        def never(*_arguments: object) -> None:
            raise torch.cuda.OutOfMemoryError("no room")

        monkeypatch.setattr(owner, name, never)
        problem = pool("random", 1, passages=20, queries=3)
        with pytest.raises(torch.cuda.OutOfMemoryError):
            problem.count()

    def test_nothing_smaller_is_left_for_the_second_question(self, monkeypatch):
        """Also where the questions before it had room."""
        problem = pool("random", 1, passages=20, queries=3)
        first = torch.from_numpy(problem.queries[0] / np.linalg.norm(problem.queries[0]))

        def for_the_first(one: torch.Tensor, other: torch.Tensor, out: torch.Tensor) -> None:
            if len(one) > 1 or not torch.allclose(one[0], first):
                raise torch.cuda.OutOfMemoryError("no room")
            fast_product(one, other, out)

        monkeypatch.setattr("mteb_hybrid.ranking.fast_product", for_the_first)
        with pytest.raises(torch.cuda.OutOfMemoryError):
            problem.count()


class TestMemory:
    @pytest.mark.parametrize(("block_elements", "top_k", "most_queries"), [(400, 5, 20), (400, 100, 8), (400, 2000, 1)])
    def test_blocks_and_lists_are_bounded(self, block_elements, top_k, most_queries, monkeypatch):
        """A block has no more scores than asked for, about as many queries as passages, and lists twice as long."""
        shapes = []

        def watched(one: torch.Tensor, other: torch.Tensor, out: torch.Tensor) -> None:
            shapes.append(out.shape)
            fast_product(one, other, out)

        monkeypatch.setattr("mteb_hybrid.ranking.fast_product", watched)
        pool("random", 1, passages=300, queries=60).count(top_k=top_k, block_elements=block_elements)
        assert max(rows for rows, _ in shapes) == most_queries
        assert max(rows * columns for rows, columns in shapes) <= block_elements


class TestInputs:
    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    def test_are_never_written_to(self, similarity):
        """Queries, passages, orders and segments are the same to the bit afterwards, and may be read-only."""
        problem = pool("mixed", 3, similarity)
        arrays = [np.array(v) for v in vars(problem).values() if isinstance(v, np.ndarray)]
        for value in vars(problem).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        frozen = problem.counter(top_k=9)
        frozen.count(problem.passages, problem.order, problem.segment)
        for before, after in zip(arrays, [v for v in vars(problem).values() if isinstance(v, np.ndarray)], strict=True):
            assert before.tobytes() == after.tobytes()
        for value in vars(problem).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = True
        assert same(frozen.result(), problem.count(top_k=9))
        for before, after in zip(arrays, [v for v in vars(problem).values() if isinstance(v, np.ndarray)], strict=True):
            assert before.tobytes() == after.tobytes()

    @pytest.mark.parametrize("dtype", [np.float64, np.float16])
    def test_are_cast_to_float32_first(self, dtype):
        """Embeddings of another type are ranked as their float32 values, not as what they were."""
        problem = pool("high", 2)
        given = Problem(
            **{
                **vars(problem),
                "queries": problem.queries.astype(dtype) * 1.1,
                "passages": problem.passages.astype(dtype) * 1.1,
            }
        )
        cast = Problem(
            **{
                **vars(problem),
                "queries": given.queries.astype(np.float32),
                "passages": given.passages.astype(np.float32),
            }
        )
        assert same(given.count(), cast.count())

    def test_no_queries(self):
        """Nobody asks: nothing is ranked, and nothing fails."""
        none, nobody = np.empty(0, dtype=np.int64), np.empty((0, 3), dtype=np.float32)
        counter = RankCounter(nobody, none, nobody, none, segments=2, top_k=4, device="cpu")
        counter.count(np.ones((5, 3), dtype=np.float32), np.arange(5), 1)
        result = counter.result()
        assert (result.above.shape, result.top_order.shape, result.top_scores.shape) == ((0, 2), (0, 4), (0, 4))

    def test_results_stay_as_they_are(self):
        """A result that was taken half-way does not change when counting goes on."""
        problem = pool("random", 3)
        counter = problem.counter(top_k=9)
        counter.count(problem.passages[:500], problem.order[:500], problem.segment[:500])
        half = counter.result()
        before = [array.tobytes() for array in (half.above, half.top_order, half.top_scores)]
        counter.count(problem.passages[500:], problem.order[500:], problem.segment[500:])
        assert before == [array.tobytes() for array in (half.above, half.top_order, half.top_scores)]
        assert not same(half, counter.result())

    def test_own_passage_with_other_bits(self):
        """A passage is not counted against itself, also if its embedding came out a bit different the second time."""
        rng = np.random.default_rng(4)
        passages = rng.normal(size=(50, 16)).astype(np.float32)
        higher = passages.copy()
        higher[7] = np.nextafter(passages[7], np.sign(passages[7]) * np.float32(np.inf), dtype=np.float32)
        query = passages[7:8]
        for similarity in ("cosine", "dot"):
            counter = RankCounter(
                query, np.array([0]), passages[7:8], np.array([7]), similarity=similarity, device="cpu"
            )
            counter.count(higher, np.arange(50))
            assert counter.result().ranks().tolist() == [1]


class TestMask:
    @given(
        SEEDS, st.integers(1, 9), st.sampled_from([16, 32, 2032, 2048, 4096]), st.sampled_from([0.0, 0.01, 0.5, 1.0])
    )
    @MODEST
    def test_counts_and_positions(self, seed, rows, columns, share):
        """What a mask has is counted and found as plain numpy does it, in rows of more than 255 words too."""
        scores = (np.random.default_rng(seed).random((rows, columns)) < share).astype(np.float32)
        half = np.full((rows, 1), 0.5, dtype=np.float32)
        expected = scores > 0.5
        for module in (np.asarray, torch.from_numpy):
            mask = Mask().at_least(module(scores), module(half))
            assert mask.count() == expected.sum()
            assert mask.count_rows().tolist() == expected.sum(axis=1).tolist()
            assert mask.positions().tolist() == np.flatnonzero(expected).tolist()
            part = Mask().more_than(module(scores[:, ::-1].copy() * scores), module(half))
            expected_rest = expected & ~(expected[:, ::-1] & expected)
            assert mask.without(part).positions().tolist() == np.flatnonzero(expected_rest).tolist()

    def test_reuses_its_memory(self):
        """A mask of a small block after one of a large block holds nothing of that one."""
        mask = Mask()
        zero = np.zeros((3, 1), dtype=np.float32)
        assert mask.at_least(np.ones((3, 64), dtype=np.float32), zero).count() == 192
        assert mask.at_least(-np.ones((3, 16), dtype=np.float32), zero).count() == 0
        assert mask.at_least(np.ones((3, 16), dtype=np.float32), zero).positions().tolist() == list(range(48))


class TestMergedLists:
    @given(SEEDS, st.integers(1, 6), st.integers(1, 5))
    @MODEST
    def test_like_sorting(self, seed, k, queries):
        """Lists and what comes to them are merged by score, then position; half-empty lists and ties included."""
        rng = np.random.default_rng(seed)
        pairs = [(float(rng.integers(4)), int(order)) for order in rng.permutation(30)]
        held = [sorted(pairs[3 * q : 3 * q + 3], key=lambda p: (-p[0], p[1]))[:k] for q in range(queries)]
        lists = [one + [(-np.inf, -1)] * (k - len(one)) for one in held]
        row = np.sort(rng.integers(queries, size=int(rng.integers(0, 12))))
        came = pairs[15 : 15 + len(row)]
        scores, order = merge_lists(
            np.array([[p[0] for p in one] for one in lists]),
            np.array([[p[1] for p in one] for one in lists]),
            row,
            np.array([p[0] for p in came], dtype=np.float64),
            np.array([p[1] for p in came], dtype=np.int64),
        )
        for query in range(queries):
            mine = held[query] + [pair for pair, of in zip(came, row, strict=True) if of == query]
            best = sorted(mine, key=lambda p: (-p[0], p[1]))[:k]
            best += [(-np.inf, -1)] * (k - len(best))
            assert list(zip(scores[query].tolist(), order[query].tolist(), strict=True)) == best

    def test_positions_within(self):
        """Entries of each row are numbered from 0, rows without any included."""
        row = np.array([1, 1, 3, 4, 4, 4])
        assert positions_within(row, np.bincount(row, minlength=6)).tolist() == [0, 1, 0, 0, 1, 2]
