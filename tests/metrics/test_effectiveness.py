"""Scores against trec_eval itself, from embeddings to scores, and against fractions worked out by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.metrics import CUTOFFS, QueryRanks, effectiveness
from mteb_hybrid.ranking import RankCounter, tie_order

pytrec_eval = pytest.importorskip("pytrec_eval")

TREC_NAMES = {
    "map": "map_cut",
    "ndcg": "ndcg_cut",
    "recall": "recall",
    "precision": "P",
    "hit_rate": "success",
}


def trec_scores(
    embedded_queries: list[list[int]],
    embedded_passages: list[list[int]],
    query_ids: list[str],
    passage_ids: list[str],
    grades: dict[tuple[int, int], int],
) -> dict[str, list[float]]:
    """What pytrec_eval says of the full run {query id: {passage id: score}}, under our names."""
    run = {
        query_id: {
            passage_id: float(sum(x * y for x, y in zip(query, passage, strict=True)))
            for passage_id, passage in zip(passage_ids, embedded_passages, strict=True)
        }
        for query_id, query in zip(query_ids, embedded_queries, strict=True)
    }
    judgments: dict[str, dict[str, int]] = {}
    for (query, passage), grade in grades.items():
        judgments.setdefault(query_ids[query], {})[passage_ids[passage]] = grade
    judgments = {query_id: judged for query_id, judged in judgments.items() if any(judged.values())}
    cuts = ",".join(map(str, CUTOFFS))
    measures = {"map", "recip_rank", *(f"{name}.{cuts}" for name in TREC_NAMES.values())}
    found = pytrec_eval.RelevanceEvaluator(judgments, measures).evaluate(run) if judgments else {}
    rows = [found[query_id] for query_id in query_ids if query_id in judgments]
    expected = {"map": [row["map"] for row in rows], "mrr": [row["recip_rank"] for row in rows]}
    for k in CUTOFFS:
        expected |= {f"{ours}_at_{k}": [row[f"{trec}_{k}"] for row in rows] for ours, trec in TREC_NAMES.items()}
        # trec_eval has no cut-off for recip_rank: the first relevant passage is within k or it counts nothing
        reciprocal = expected["mrr"]
        expected[f"mrr_at_{k}"] = [value if value and round(1 / value) <= k else 0.0 for value in reciprocal]
    return expected


def our_scores(
    embedded_queries: list[list[int]],
    embedded_passages: list[list[int]],
    passage_ids: list[str],
    grades: dict[tuple[int, int], int],
) -> dict[str, np.ndarray]:
    """Embeddings to `RankCounter` to `QueryRanks` to `effectiveness`."""
    pairs = [(query, passage, grade) for (query, passage), grade in grades.items() if grade > 0]
    pair_query = np.array([query for query, _, _ in pairs], dtype=np.int64)
    pair_passage = np.array([passage for _, passage, _ in pairs], dtype=np.int64)
    passages, order = np.array(embedded_passages, dtype=np.float32), tie_order(passage_ids)
    counter = RankCounter(
        np.array(embedded_queries, dtype=np.float32), pair_query, passages[pair_passage], order[pair_passage],
        similarity="dot", device="cpu",
    )  # fmt: skip
    middle = len(passages) // 2
    counter.count(passages[middle:], order[middle:])
    counter.count(passages[:middle], order[:middle])
    ranks = QueryRanks.from_pairs(
        pair_query,
        counter.result().ranks(),
        queries=len(embedded_queries),
        pool_size=len(passages),
        grade=np.array([grade for _, _, grade in pairs], dtype=np.float64),
    )
    return effectiveness(ranks)


def agree(ours: dict[str, np.ndarray], expected: dict[str, list[float]]) -> None:
    assert set(ours) == set(expected)
    for name, values in expected.items():
        assert ours[name].shape == (len(values),), name
        assert ours[name].dtype == np.float64, name
        np.testing.assert_allclose(ours[name], values, rtol=0, atol=1e-9, err_msg=name)


IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=4)
SIMILAR_IDS = st.text("aA0é中𝄞 -", min_size=1, max_size=3)


@st.composite
def problems(draw):
    """Few integer embeddings, so that ties and duplicates are everywhere; graded judgments, some of them 0."""
    dimension = draw(st.integers(1, 3))
    component = st.integers(-2, 2)
    vectors = st.lists(component, min_size=dimension, max_size=dimension)
    queries = draw(st.lists(vectors.filter(any), min_size=1, max_size=4))
    passages = draw(st.lists(vectors, min_size=1, max_size=25))
    ids = st.one_of(IDS, SIMILAR_IDS)
    query_ids = draw(st.lists(ids, min_size=len(queries), max_size=len(queries), unique=True))
    passage_ids = draw(st.lists(ids, min_size=len(passages), max_size=len(passages), unique=True))
    pair = st.tuples(st.integers(0, len(queries) - 1), st.integers(0, len(passages) - 1))
    grades = draw(st.dictionaries(pair, st.integers(0, 3), max_size=20))
    return queries, passages, query_ids, passage_ids, grades


class TestAgainstTrecEval:
    @given(problems())
    @settings(deadline=None, max_examples=150)
    def test_small(self, problem):
        """On small pools full of ties every score equals trec_eval's, and queries without relevant are left out."""
        queries, passages, query_ids, passage_ids, grades = problem
        expected = trec_scores(queries, passages, query_ids, passage_ids, grades)
        agree(our_scores(queries, passages, passage_ids, grades), expected)

    @given(st.integers(0, 2**32 - 1), st.sampled_from([2, 90, 101, 999, 1001, 1300]), st.integers(1, 3))
    @settings(deadline=None, max_examples=12)
    def test_beyond_every_cutoff(self, seed, size, largest):
        """So they do on pools that are larger than the cut-offs, with up to hundreds of relevant passages."""
        rng = np.random.default_rng(seed)
        queries = rng.integers(1, largest + 1, size=(3, 4)).tolist()
        passages = rng.integers(-largest, largest + 1, size=(size, 4)).tolist()
        passage_ids = [f"{number:x}" for number in rng.permutation(10 * size)[:size]]
        grades = {
            (int(query), int(passage)): int(rng.integers(0, 4))
            for query, count in zip((0, 2), (rng.integers(1, 6), rng.integers(1, size + 1)), strict=True)
            for passage in rng.permutation(size)[:count]
        }
        query_ids = ["b", "a", "c"]
        expected = trec_scores(queries, passages, query_ids, passage_ids, grades)
        agree(our_scores(queries, passages, passage_ids, grades), expected)


def one_query(ranks: list[int], grades: list[float] | None = None, pool_size: int = 2000) -> QueryRanks:
    return QueryRanks.from_pairs(
        np.zeros(len(ranks), dtype=np.int64),
        np.array(ranks, dtype=np.int64),
        queries=1,
        pool_size=pool_size,
        grade=None if grades is None else np.array(grades, dtype=np.float64),
    )


class TestByHand:
    def test_fractions(self):
        """Relevant passages at ranks 2, 5 and 40."""
        scores = effectiveness(one_query([5, 40, 2]))
        expected = {
            "map": (Fraction(1, 2) + Fraction(2, 5) + Fraction(3, 40)) / 3,
            "mrr": Fraction(1, 2),
            "map_at_1": Fraction(0),
            "map_at_3": Fraction(1, 2) / 3,
            "map_at_20": (Fraction(1, 2) + Fraction(2, 5)) / 3,
            "recall_at_1": Fraction(0),
            "recall_at_5": Fraction(2, 3),
            "recall_at_100": Fraction(1),
            "precision_at_3": Fraction(1, 3),
            "precision_at_5": Fraction(2, 5),
            "precision_at_1000": Fraction(3, 1000),
            "mrr_at_1": Fraction(0),
            "mrr_at_3": Fraction(1, 2),
            "hit_rate_at_1": Fraction(0),
            "hit_rate_at_3": Fraction(1),
        }
        for name, value in expected.items():
            assert scores[name] == pytest.approx([float(value)], abs=1e-15), name

    def test_ndcg_with_grades(self):
        """Grade 1 at rank 1 and grade 3 at rank 3: gain over discount, divided by that of the order 3, 1."""
        scores = effectiveness(one_query([1, 3], [1, 3]))
        ideal = 3 + 1 / math.log2(3)
        assert scores["ndcg_at_1"] == pytest.approx([1 / 3])
        assert scores["ndcg_at_3"] == pytest.approx([(1 + 3 / 2) / ideal])
        assert scores["ndcg_at_1000"] == pytest.approx([(1 + 3 / 2) / ideal])

    @pytest.mark.parametrize("relevant", [1, 2, 7, 30])
    def test_perfect(self, relevant):
        """A perfect ranking has 1 everywhere but where a cut-off keeps precision or recall from it."""
        scores = effectiveness(one_query([*range(1, relevant + 1)]))
        for k in CUTOFFS:
            assert scores[f"ndcg_at_{k}"] == pytest.approx([1.0])
            assert scores[f"recall_at_{k}"] == scores[f"map_at_{k}"] == pytest.approx([min(1, k / relevant)])
            assert scores[f"precision_at_{k}"] == pytest.approx([min(1, relevant / k)])
        assert scores["map"] == scores["mrr"] == [1.0]

    def test_cutoffs_include_their_rank(self):
        """A first relevant passage at rank k is inside the cut-off k, and one at rank k + 1 is outside."""
        for k in range(1, 1001):
            inside, outside = (effectiveness(one_query([rank]), (k,)) for rank in (k, k + 1))
            assert inside[f"mrr_at_{k}"] == pytest.approx([float(Fraction(1, k))])
            assert inside[f"hit_rate_at_{k}"] == inside[f"recall_at_{k}"] == [1.0]
            assert not any(outside[f"{name}_at_{k}"].any() for name in ("mrr", "hit_rate", "recall", "map", "ndcg"))

    def test_only_the_cutoffs_asked_for(self):
        """Scores with a cut-off come for the given ones only."""
        assert {name for name in effectiveness(one_query([1]), (7,)) if "_at_" in name} == {
            f"{name}_at_7" for name in ("map", "ndcg", "recall", "precision", "mrr", "hit_rate")
        }

    @pytest.mark.parametrize("queries", [0, 3])
    def test_nothing_judged(self, queries):
        """Without any relevant passage every score is an empty array."""
        empty = np.empty(0, dtype=np.int64)
        scores = effectiveness(QueryRanks.from_pairs(empty, empty, queries=queries, pool_size=5))
        assert len(scores) == 2 + 6 * len(CUTOFFS)
        assert all(values.shape == (0,) for values in scores.values())

    def test_unjudged_queries_between_judged_ones(self):
        """Queries 0, 2 and 4 of five have no relevant passage: two scores come, in the order of the queries."""
        ranks = QueryRanks.from_pairs(np.array([3, 1, 3]), np.array([1, 4, 2]), queries=5, pool_size=9)
        scores = effectiveness(ranks)
        assert scores["map"].tolist() == [float(Fraction(1, 4)), 1.0]
        assert scores["mrr"].tolist() == [float(Fraction(1, 4)), 1.0]
        assert scores["recall_at_1"].tolist() == [0.0, float(Fraction(1, 2))]
