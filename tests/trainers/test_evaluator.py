"""The evaluator during training: the numbers of our tasks, of plain numpy and by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from evaluated_parts import LookUp, by_sorting, drawn_parts, drawn_vectors, load, part, small_mini

from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.errors import CollectionError, OptionError
from mteb_hybrid.trainers.evaluation.evaluator import METRICS, ParallelRetrievalEvaluator


@pytest.mark.slow
def test_the_numbers_are_those_of_our_tasks(tiny):
    """On MiniQA-R all metrics equal the macro averages of the three MTEB tasks' subsets, for the same model.

    The model knows Latin letters only, so that passages tie in the other scripts: ties are broken alike too.
    """
    import mteb

    model = load(tiny)
    metrics = ParallelRetrievalEvaluator.from_collection(miniqa_r(), per_language=True)(model)
    settings = ["Monolingual", "CrossLingual", "Multilingual"]
    tasks = mteb.get_tasks(tasks=[f"MiniQAR{setting}" for setting in settings])
    run = mteb.evaluate(model, tasks, cache=None, show_progress_bar=False, co2_tracker=False)
    by_task = {result.task_name: {s["hf_subset"]: s for s in result.scores["test"]} for result in run.task_results}
    alone, crossed, pooled = (by_task[f"MiniQAR{setting}"] for setting in settings)
    assert (len(alone), len(crossed), len(pooled)) == (11, 110, 11)
    expected = {
        "monolingual_map": np.mean([scores["map"] for scores in alone.values()]),
        "cross_lingual_map": np.mean([scores["map"] for scores in crossed.values()]),
        "multilingual_map": np.mean([scores["map"] for scores in pooled.values()]),
        "rank_distance": np.mean([scores["rank_distance"] for scores in pooled.values()]),
        "rank_distance_median": np.mean([scores["rank_distance_median"] for scores in pooled.values()]),
    } | {f"multilingual_map_{language}": scores["map"] for language, scores in pooled.items()}
    assert metrics == pytest.approx({f"miniqa-r_{name}": value for name, value in expected.items()}, abs=1e-9)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("seed", range(3))
def test_the_numbers_are_those_of_sorting(similarity, seed):
    """Questions that lack languages, several answers in one, any similarity: equal to argsort in every setting."""
    parts = drawn_parts(seed)
    vectors = drawn_vectors(parts, seed)
    metrics = ParallelRetrievalEvaluator(parts)(LookUp(vectors, similarity))
    assert tuple(metrics) == METRICS
    assert metrics == pytest.approx(by_sorting(parts, vectors, similarity), abs=1e-12)


def test_two_languages_by_hand():
    """Two questions in German and English, ranked by angle; all metrics as fractions.

    Angles in degrees: both German passages at 10 (a) and 40 (b), the English ones at 5 (a) and 20 (b) and a third at 0.
    """

    def at(degrees):
        return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], dtype=np.float32)

    parts = [
        part("de", ["de a", "de b"], [("a", "de a?", (0,)), ("b", "de b?", (1,))]),
        part("en", ["en a", "en b", "en c"], [("a", "en a?", (0,)), ("b", "en b?", (1,))]),
    ]
    degrees = {
        "de a": 10,
        "de b": 40,
        "en a": 5,
        "en b": 20,
        "en c": 0,
        "de a?": 0,
        "de b?": 90,
        "en a?": 9,
        "en b?": 8,
    }
    metrics = ParallelRetrievalEvaluator(parts)(LookUp({text: at(angle) for text, angle in degrees.items()}))
    # "de a?" (0): en c, en a, de a, en b, de b.  "de b?" (90): de b, en b, de a, en a, en c.
    # "en a?" (9): de a, en a, en c, en b, de b.  "en b?" (8): de a, en a, en c, en b, de b.
    assert metrics == pytest.approx(
        {
            "monolingual_map": ((1 + 1) / 2 + (1 + 1 / 3) / 2) / 2,
            "cross_lingual_map": ((1 / 2 + 1) / 2 + (1 + 1 / 2) / 2) / 2,
            "multilingual_map": (((1 / 2 + 2 / 3) / 2 + 1) / 2 + (1 + (1 / 4 + 2 / 5) / 2) / 2) / 2,
            "rank_distance": ((1 + 1) / 2 + (1 + 1) / 2) / 2,
            "rank_distance_median": 1,
        }
    )


def test_one_language_has_no_cross_lingual_setting():
    """With one language the pool is its corpus: no cross-lingual MAP, and no distance between single answers."""
    evaluator = ParallelRetrievalEvaluator.from_collection(miniqa_r(), ["de"], name="")
    parts = [miniqa_r().load("de")]
    metrics = evaluator(LookUp(drawn_vectors(parts, 0)))
    assert set(metrics) == {"monolingual_map", "multilingual_map"}
    assert metrics["monolingual_map"] == metrics["multilingual_map"]
    with pytest.raises(OptionError, match="main_metric must be one of monolingual_map, multilingual_map on these data"):
        ParallelRetrievalEvaluator(parts, main_metric="rank_distance")


def test_a_language_may_have_nothing_to_ask_in_a_setting():
    """A question without answers anywhere is not asked, and a setting without questions is not averaged over."""
    parts = [
        part("de", ["d0", "d1"], [("a", "da?", (0,)), ("none", "dn?", ())]),
        part("en", ["e0", "e1"], [("b", "eb?", (1,)), ("a", "ea?", ())]),
        part("fr", ["f0"], [("none", "fn?", ())]),
    ]
    vectors = drawn_vectors(parts, 3)
    model = LookUp(vectors)
    assert ParallelRetrievalEvaluator(parts)(model) == pytest.approx(by_sorting(parts, vectors))
    assert {text for role, text in model.seen if role == "query"} == {"da?", "eb?", "ea?"}
    with pytest.raises(CollectionError, match="no question in fr has a relevant passage"):
        ParallelRetrievalEvaluator(parts[2:])


def test_every_text_is_encoded_once_per_call():
    """A text in two languages, or twice in one, is encoded once for each role, and again in the next call."""
    parts = [
        part("de", ["1999", "Haus", "1999"], [("a", "Jahr?", (0,)), ("b", "Berlin?", (1,))]),
        part("en", ["house", "1999"], [("a", "year?", (1,)), ("b", "Berlin?", (0,))]),
    ]
    model = LookUp(drawn_vectors(parts, 0))
    evaluator = ParallelRetrievalEvaluator(parts)
    first = evaluator(model)
    assert set(model.seen.values()) == {1}
    assert len(model.seen) == 3 + 3
    assert evaluator(model) == first
    assert set(model.seen.values()) == {2}


def test_equal_passages_do_not_favour_a_language():
    """If all embeddings are equal, ids decide and not the order of the parts: each language is first for some."""
    parts = [miniqa_r().load(language) for language in ("de", "en")]
    model = LookUp(dict.fromkeys(drawn_vectors(parts, 0), np.ones(3)))
    there = ParallelRetrievalEvaluator(parts)(model)
    back = ParallelRetrievalEvaluator(parts[::-1])(model)
    assert there == pytest.approx(back)
    assert 0 < there["multilingual_map"] < 0.2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_ranked_as_it_is(tiny, dtype):
    """Embeddings of 16 bits have the ranks of their values; a model of such weights works."""
    parts = drawn_parts(0)
    vectors = drawn_vectors(parts, 2)
    rounded = {text: torch.as_tensor(vector).to(dtype).float().numpy() for text, vector in vectors.items()}
    metrics = ParallelRetrievalEvaluator(parts)(LookUp(vectors, dtype=dtype))
    assert metrics == pytest.approx(by_sorting(parts, rounded))
    model = load(tiny)
    assert small_mini()(copy.deepcopy(model).to(dtype)) == pytest.approx(small_mini()(model), rel=0.5)
