"""10,000 drawn problems full of ties: ranks against scipy, scores against trec_eval, metrics of language against both.

A problem is one question over a pool. Every pool has a hundred questions, so that one kernel does a hundred problems;
trec_eval gets every problem as a query with a run of its own.

trec_eval orders passages of equal scores by id, the larger first, as C compares strings: by bytes. `tie_order` numbers
the passages of a pool in that order, and the kernel lets the smaller number win. Scores are small integers, which are
exact in every type that takes part (trec_eval keeps scores in single precision).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import entropy, rankdata

from mteb_hybrid.metrics import (
    CUTOFFS,
    QueryRanks,
    complete_at_k,
    effectiveness,
    exposure_fairness,
    language_preference,
    rank_distance,
    single_target_average_precision,
)
from mteb_hybrid.ranking import RankCounter, tie_order

pytrec_eval = pytest.importorskip("pytrec_eval")

POOLS, QUESTIONS, LANGUAGES = 140, 100, 4
# single passages, pools around the cut-offs, and a few that are larger than the largest one
SIZES = (1, 2, 3, 5, 8, 13, 21, 40, 70, 99, 100, 101)
LARGE = {25: 1000, 50: 1001, 75: 1100}
LETTERS = np.array(list("aAzZ09-é中𝄞"))


@dataclass(frozen=True)
class Pool:
    """A pool, its questions, and what the package makes of them.

    Attributes:
        ids: Ids of the passages, some of which differ in a letter beyond ASCII.
        order: int64, shape (passages,): what decides ties.
        language: int64, shape (passages,).
        scores: float64, shape (questions, passages): small integers.
        grades: int64, shape (questions, passages): 0 to 3.
        ranks: Of the relevant passages, from the kernel.
        top_language: int64, shape (questions, 10): languages of the best passages, from the kernel; -1 for none.
    """

    ids: list[str]
    order: np.ndarray
    language: np.ndarray
    scores: np.ndarray
    grades: np.ndarray
    ranks: QueryRanks
    top_language: np.ndarray


def make_pool(seed: int) -> Pool:
    """Vectors of few small integers: of a thousand passages hundreds have one score."""
    rng = np.random.default_rng(seed)
    size = LARGE.get(seed, SIZES[seed % len(SIZES)])
    dimension, largest = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    queries = rng.integers(-largest, largest + 1, size=(QUESTIONS, dimension))
    queries[~queries.any(axis=1), 0] = 1  # a question without a direction has no scores
    passages = rng.integers(-largest, largest + 1, size=(size, dimension))
    ids = ["".join(rng.choice(LETTERS, size=rng.integers(1, 4))) + f"~{number:x}" for number in rng.permutation(size)]
    grades = rng.integers(1, 4, size=(QUESTIONS, size))
    share = rng.choice([0.5 / size, 3 / size, 0.1, 0.9], size=(QUESTIONS, 1))
    grades[rng.random(grades.shape) >= share] = 0  # some questions have no relevant passage, some nothing else
    language = rng.integers(LANGUAGES, size=size)

    order = tie_order(ids)
    query, passage = grades.nonzero()
    vectors = passages.astype(np.float32)
    counter = RankCounter(
        queries.astype(np.float32), query, vectors[passage], order[passage],
        similarity="dot", top_k=10, device="cpu", block_elements=int(rng.choice([10 * size + 7, 1 << 18])),
    )  # fmt: skip
    for part in np.array_split(rng.permutation(size), 3):
        counter.count(vectors[part], order[part])
    counted = counter.result()
    ranks = QueryRanks.from_pairs(
        query,
        counted.ranks(),
        queries=QUESTIONS,
        pool_size=size,
        grade=grades[query, passage],
        language=language[passage],
    )
    by_order = np.append(language[np.argsort(order)], -1)
    return Pool(
        ids, order, language, (queries @ passages.T).astype(np.float64), grades, ranks, by_order[counted.top_order]
    )


@pytest.fixture(scope="module")
def pools() -> list[Pool]:
    return [make_pool(seed) for seed in range(POOLS)]


def trec_eval(pools: list[Pool], judged: list[np.ndarray], measures: set[str], kept: list[np.ndarray] | None = None):
    """What trec_eval says of every problem with something relevant: measure to values, pool by pool.

    Args:
        pools: The pools.
        judged: For each pool the grades that count, shape (questions, passages).
        measures: Names that pytrec_eval takes.
        kept: For each pool which passages are in the runs of which questions; default: all.
    """
    kept = kept or [np.ones_like(grades, dtype=bool) for grades in judged]
    runs, judgments = {}, {}
    for number, (pool, grades, some) in enumerate(zip(pools, judged, kept, strict=True)):
        ids = np.array(pool.ids, dtype=object)
        for question in np.flatnonzero((grades > 0).any(axis=1)):
            name, here, relevant = f"{number}-{question}", some[question], grades[question] > 0
            runs[name] = dict(zip(ids[here], pool.scores[question, here].tolist(), strict=True))
            judgments[name] = dict(zip(ids[relevant], grades[question, relevant].tolist(), strict=True))
    found = pytrec_eval.RelevanceEvaluator(judgments, measures).evaluate(runs)
    assert len(found) == len(runs)
    return {key: np.array([found[name][key] for name in runs]) for key in next(iter(found.values()))}


def joined(values: list[np.ndarray]) -> np.ndarray:
    """The values of all pools, one after the other."""
    return np.concatenate(values)


class TestDrawn:
    """What the problems are."""

    def test_ties_and_kinds(self, pools):
        """10,000 problems with something relevant, most of which shares its score; every kind of question occurs."""
        assert sum(int((pool.grades > 0).any(axis=1).sum()) for pool in pools) > 10_000
        shared = [
            float((pool.scores[question] == pool.scores[question, passage]).sum() > 1)
            for pool in pools
            for question, passage in zip(*pool.grades.nonzero(), strict=True)
            if len(pool.ids) < 200
        ]
        assert np.mean(shared) > 0.8
        relevant = joined([(pool.grades > 0).sum(axis=1) for pool in pools])
        assert {0, 1, 2} <= set(relevant.tolist())
        assert any(((pool.grades > 0).all(axis=1)).any() for pool in pools if len(pool.ids) > 2)
        assert (np.sort(joined([np.unique(pool.grades) for pool in pools]))[[0, -1]] == (0, 3)).all()


class TestRanks:
    """The kernel's ranks."""

    def test_equal_scipys(self, pools):
        """`scipy.stats.rankdata` of the pool in the order of ties ranks every relevant passage alike."""
        for pool in pools:
            in_turn = np.argsort(pool.order)
            expected = np.empty(pool.scores.shape, dtype=np.int64)
            expected[:, in_turn] = rankdata(-pool.scores[:, in_turn], method="ordinal", axis=1)
            by_query = [np.sort(row[grades > 0]) for row, grades in zip(expected, pool.grades, strict=True)]
            assert pool.ranks.rank.tolist() == joined(by_query).tolist()

    def test_top_lists_are_the_head_of_the_ranking(self, pools):
        """The languages of the ten best passages are those of a full sort by score and tie order."""
        for pool in pools:
            keys = np.broadcast_to(pool.order, pool.scores.shape)
            best = np.lexsort((keys, -pool.scores), axis=1)[:, :10]
            found = pool.top_language[:, : best.shape[1]]
            assert (found == pool.language[best]).all()
            assert (pool.top_language[:, best.shape[1] :] == -1).all()


class TestScores:
    """Scores of all problems."""

    def test_equal_trec_evals(self, pools):
        """Every score under every name and cut-off, over full rankings with ties, for graded judgments."""
        names = {"map": "map_cut", "ndcg": "ndcg_cut", "recall": "recall", "precision": "P", "hit_rate": "success"}
        cuts = ",".join(map(str, CUTOFFS))
        measures = {"map", "recip_rank", *(f"{name}.{cuts}" for name in names.values())}
        theirs = trec_eval(pools, [pool.grades for pool in pools], measures)
        ours = [effectiveness(pool.ranks) for pool in pools]
        expected = {"map": theirs["map"], "mrr": theirs["recip_rank"]}
        for k, (name, trec) in itertools.product(CUTOFFS, names.items()):
            expected[f"{name}_at_{k}"] = theirs[f"{trec}_{k}"]
        for k in CUTOFFS:  # trec_eval has no cut-off for it
            expected[f"mrr_at_{k}"] = theirs["recip_rank"] * theirs[f"success_{k}"]
        assert set(ours[0]) == set(expected)
        assert len(expected["map"]) > 10_000
        for name, values in expected.items():
            found = joined([scores[name] for scores in ours])
            np.testing.assert_allclose(found, values, rtol=0, atol=1e-12, err_msg=name)

    def test_single_target_equals_trec_eval_without_the_others(self, pools):
        """Average precision of one language's passages, with the other relevant ones taken out of the run."""
        for target in range(LANGUAGES):
            wanted = [np.where(pool.language == target, pool.grades, 0) for pool in pools]
            kept = [(pool.grades == 0) | (pool.language == target) for pool in pools]
            theirs = trec_eval(pools, wanted, {"map"}, kept)["map"]
            ours = joined([single_target_average_precision(pool.ranks, target).value for pool in pools])
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)

    def test_language_preference_equals_trec_eval_on_relevant_passages(self, pools):
        """Success at 1 of the asked language's passages, in a run of nothing but relevant passages."""
        for asked in range(LANGUAGES):
            own = [(pool.grades > 0) & (pool.language == asked) for pool in pools]
            defined = [
                one.any(axis=1) & ((pool.grades > 0) & ~one).any(axis=1) for pool, one in zip(pools, own, strict=True)
            ]
            wanted = [np.where(rows[:, None], one, 0).astype(int) for rows, one in zip(defined, own, strict=True)]
            theirs = trec_eval(pools, wanted, {"success.1"}, [pool.grades > 0 for pool in pools])["success_1"]
            ours = joined([language_preference(pool.ranks, asked).value for pool in pools])
            assert ours.tolist() == theirs.tolist()
            assert set(ours) == {0.0, 1.0}

    @pytest.mark.parametrize("k", [5, 100])
    def test_complete_equals_trec_evals_recall_of_one(self, pools, k):
        """All relevant passages are among the first k where trec_eval's recall is 1; undefined for one, or too many."""
        recall = trec_eval(pools, [pool.grades for pool in pools], {f"recall.{k}"})[f"recall_{k}"]
        counts = joined([pool.ranks.counts() for pool in pools])
        counts = counts[counts > 0]
        ours = joined([complete_at_k(pool.ranks, k).value for pool in pools])
        assert ours.tolist() == (recall[(counts >= 2) & (counts <= k)] == 1).astype(float).tolist()

    def test_rank_distance_equals_scipys_ranks(self, pools):
        """The lowest relevant rank minus the highest one, of ranks that scipy takes."""
        for pool in pools:
            in_turn = np.argsort(pool.order)
            ranks = rankdata(-pool.scores[:, in_turn], method="ordinal", axis=1)
            relevant = pool.grades[:, in_turn] > 0
            lowest, highest = np.where(relevant, ranks, 0).max(axis=1), np.where(relevant, ranks, 1 << 40).min(axis=1)
            expected = (lowest - highest)[relevant.sum(axis=1) >= 2]
            assert rank_distance(pool.ranks).value.tolist() == expected.tolist()

    def test_exposure_fairness_equals_scipys_entropies(self, pools):
        """One minus the Jensen-Shannon divergence, as entropy of the mean minus mean entropy, from `scipy.stats`."""
        rng = np.random.default_rng(0)
        discount = 1 / np.log2(np.maximum(np.arange(1, 11), 2))
        for pool in pools:
            target = rng.integers(0, 4, size=(QUESTIONS, LANGUAGES)).astype(float)
            target[~target.any(axis=1), 0] = 1
            exposure = np.stack(
                [(discount * (pool.top_language == one)).sum(axis=1) for one in range(LANGUAGES)], axis=1
            )
            p, q = (part / part.sum(axis=1, keepdims=True) for part in (exposure, target))
            divergence = (
                entropy((p + q) / 2, base=2, axis=1) - (entropy(p, base=2, axis=1) + entropy(q, base=2, axis=1)) / 2
            )
            found = exposure_fairness(pool.top_language, target, 10)
            np.testing.assert_allclose(found.value, 1 - divergence, rtol=0, atol=1e-12)
