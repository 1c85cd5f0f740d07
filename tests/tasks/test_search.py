"""Models that are no dense encoders go through MTEB's search and the same metrics."""

from __future__ import annotations

import mteb
import numpy as np
import pytest
from encoders import CountingEncoder, hashed_vector, named_meta

from mteb_hybrid.tasks.pool import Pool
from mteb_hybrid.tasks.ranked import JudgedQueries
from mteb_hybrid.tasks.search import rank_from_lists


class ListSearch:
    """A search model: scores by hash vectors, returns the best ``depth`` passages."""

    def __init__(self, depth: int) -> None:
        self.mteb_model_meta = named_meta("test/search")
        self.depth = depth

    def index(self, corpus, *, task_metadata, hf_split, hf_subset, encode_kwargs, num_proc=None):
        rows = corpus[:]
        self.ids = rows["id"]
        self.passages = unit(rows["text"])

    def search(self, queries, *, task_metadata, hf_split, hf_subset, top_k, encode_kwargs, top_ranked=None, **kwargs):
        rows = queries[:]
        results = {}
        for query_id, scores in zip(rows["id"], unit(rows["text"]) @ self.passages.T, strict=True):
            best = np.argsort(-scores)[: min(self.depth, top_k)]
            results[query_id] = {self.ids[i]: float(scores[i]) for i in best}
        return results


class WordCrossEncoder:
    """A cross-encoder: the share of a query's characters that stand in the passage."""

    def __init__(self) -> None:
        self.mteb_model_meta = named_meta("test/cross", model_type=["cross-encoder"])

    def predict(self, inputs1, inputs2, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs):
        pairs = zip(
            (text for batch in inputs1 for text in batch["text"]),
            (text for batch in inputs2 for text in batch["text"]),
            strict=True,
        )
        return np.array([len(set(query) & set(passage)) / len(set(query)) for query, passage in pairs])


def unit(texts):
    vectors = np.stack([hashed_vector(text) for text in texts]).astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def scores(model, name, subset="de"):
    task = mteb.get_task(name, hf_subsets=[subset])
    result = mteb.evaluate(model, task, cache=None, show_progress_bar=False, co2_tracker=False).task_results[0]
    return result.scores["test"][0]


@pytest.mark.parametrize("name", ["MiniQARMonolingual", "MiniQARMultilingual"])
def test_full_lists_score_as_the_exact_kernel_does(name):
    """A search that returns the whole pool gets every score that the dense encoder of the same vectors gets."""
    dense = scores(CountingEncoder(), name)
    full = scores(ListSearch(depth=10_000), name)
    shared = [key for key, value in dense.items() if isinstance(value, float)]
    pool = 144 if name == "MiniQARMonolingual" else 11 * 144
    for key in shared:
        if pool <= 1000 or key in {"map_at_1", "map_at_100", "ndcg_at_10", "recall_at_1000", "mrr_at_10"}:
            assert full[key] == pytest.approx(dense[key], abs=1e-9), key


def test_short_lists_say_so_and_bound_from_below():
    """With ten passages a query: cut-offs up to ten are exact, map is a lower bound, rank distance has another name."""
    dense = scores(CountingEncoder(), "MiniQARMultilingual")
    short = scores(ListSearch(depth=10), "MiniQARMultilingual")
    for key in ("map_at_10", "ndcg_at_10", "recall_at_10", "precision_at_5", "mrr_at_10", "hit_rate_at_3"):
        assert short[key] == pytest.approx(dense[key], abs=1e-9)
    assert short["map"] <= dense["map"]
    assert 0 < short["not_retrieved"] <= 1
    assert "rank_distance" not in short
    assert not [key for key in short if key.startswith("mean_rank")]
    assert "not_retrieved" not in dense
    assert short["rank_distance_at_1000"] <= dense["rank_distance"]


def test_a_passage_that_is_not_on_a_list_stands_behind_the_whole_pool():
    """One of two relevant passages retrieved at rank 2 of a pool of 5: the other one has rank 5."""
    split = {
        "queries": columns(id=["q"], text=["?"]),
        "corpus": columns(id=list("abcde"), text=list("abcde"), language=["x", "x", "y", "y", "y"]),
        "relevant_docs": {"q": {"a": 1, "d": 1}},
    }
    pool, data = judged(split, pooled=True)
    ranked = rank_from_lists({"q": {"b": 0.9, "a": 0.5}}, data, pool.language_of, depth=2)
    assert dict(zip(data.pair_id, ranked.rank.tolist(), strict=True)) == {"a": 2, "d": 5}
    assert ranked.top_id.tolist() == [["b", "a"]]
    assert ranked.top_language.tolist() == [[0, 0]]
    assert ranked.depth == 2
    assert not ranked.full


def test_ties_on_a_list_are_in_trec_evals_order():
    """Among equal scores the larger id ranks first."""
    split = {
        "queries": columns(id=["q"], text=["?"]),
        "corpus": columns(id=list("abc"), text=list("abc"), language=["x", "x", "x"]),
        "relevant_docs": {"q": {"b": 1}},
    }
    pool, data = judged(split, pooled=False)
    lists = {"q": {"a": 1.0, "b": 1.0, "c": 1.0}}
    assert rank_from_lists(lists, data, pool.language_of, depth=3).rank.tolist() == [2]


def test_ties_may_be_broken_by_something_else_than_the_id():
    """Where ids begin with their language, something that favours none decides."""
    split = {
        "queries": columns(id=["q"], text=["?"]),
        "corpus": columns(id=list("abc"), text=list("abc"), language=["x", "x", "x"]),
        "relevant_docs": {"q": {"b": 1}},
    }
    pool, data = judged(split, pooled=True)
    lists = {"q": {"a": 1.0, "b": 1.0, "c": 1.0}}
    order = {"a": "3", "b": "2", "c": "1"}.get
    ranked = rank_from_lists(lists, data, pool.language_of, depth=3, tie_key=order)
    assert ranked.top_id.tolist() == [["a", "b", "c"]]


def test_rank_distance_at_k_is_a_lower_bound_for_lists_shorter_than_k():
    """Ten passages retrieved where 1,000 might be: a missing one stands at 11 or below, not at 1,001 or below."""
    dense = scores(CountingEncoder(), "MiniQARMultilingual")
    short = scores(ListSearch(depth=10), "MiniQARMultilingual")
    assert 0 < short["rank_distance_at_1000"] <= 10
    assert short["rank_distance_at_1000"] <= dense["rank_distance"]


def test_a_cross_encoder_scores_the_whole_pool():
    """Without a first stage a cross-encoder ranks every passage, and nothing counts as not retrieved."""
    found = scores(WordCrossEncoder(), "MiniQARMonolingual")
    assert "not_retrieved" not in found
    assert found["map"] > 0.05


def judged(split, pooled):
    pool = Pool.of(split["corpus"], "Made de")
    data = JudgedQueries.of(
        split["queries"][:], split["relevant_docs"], pool.languages_of,
        where="Made de", query_language="x", pool=pool.sizes(), pooled=pooled, parallel=True,
    )  # fmt: skip
    return pool, data


def columns(**values):
    from datasets import Dataset

    return Dataset.from_dict(values)
