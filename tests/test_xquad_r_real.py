"""The real XQuAD-R with a real encoder, against pytrec_eval on an independent float64 product."""

from __future__ import annotations

import dataclasses
import math

import mteb
import numpy as np
import pytest
import pytrec_eval
from scipy.spatial.distance import jensenshannon

from mteb_hybrid.collections import xquad_r
from mteb_hybrid.metrics import CUTOFFS
from mteb_hybrid.tasks import XQuADRMultilingual
from mteb_hybrid.tasks.settings import Setting, eval_langs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

POOL = ("en", "th")
POOLED = "XQuADRMultilingualOfTwo"
RUNS = {"XQuADRMonolingual": ["en", "th"], "XQuADRCrossLingual": ["en-th"], POOLED: ["en"]}
OURS_TO_TREC = {"map": "map_cut", "ndcg": "ndcg_cut", "recall": "recall", "precision": "P", "hit_rate": "success"}


class PooledOfTwo(XQuADRMultilingual):
    """The pooled task on two of the languages: a sixth of the time that all eleven take to encode."""

    collection = staticmethod(lambda: dataclasses.replace(xquad_r(), languages=POOL))
    metadata = XQuADRMultilingual.metadata.model_copy(
        update={"name": POOLED, "eval_langs": eval_langs(Setting.MULTILINGUAL, POOL)}
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, request):
    """In-memory scores of some subsets, and the embeddings that the model gave for every text, by role."""
    request.getfixturevalue("lareqa_data")
    model = mteb.get_model(str(request.getfixturevalue("encoder_directory")))
    seen: dict[str, dict[str, np.ndarray]] = {"query": {}, "document": {}}
    encode = model.encode

    def recording(inputs, *, prompt_type, **kwargs):
        embeddings = np.asarray(encode(inputs, prompt_type=prompt_type, **kwargs))
        texts = [text for batch in inputs for text in batch["text"]]
        seen[prompt_type.value].update(zip(texts, embeddings, strict=True))
        return embeddings

    model.encode = recording
    pooled = PooledOfTwo()
    pooled.hf_subsets = RUNS[POOLED]
    tasks = [*(mteb.get_task(name, hf_subsets=subsets) for name, subsets in RUNS.items() if name != POOLED), pooled]
    folder = tmp_path_factory.mktemp("xquad-r")
    results = mteb.evaluate(model, tasks, cache=None, prediction_folder=folder, co2_tracker=False)
    scores = {result.task_name: {row["hf_subset"]: row for row in result.scores["test"]} for result in results}
    return scores, seen


def trec_scores(seen, query_language, passage_languages):
    """Per-query scores of pytrec_eval, and means of bias by plain Python, from a plain float64 product."""
    collection = xquad_r()
    parts = {language: collection.load(language) for language in {query_language, *passage_languages}}
    asked = parts[query_language]
    queries = unit(np.stack([seen["query"][text] for text in asked.queries]))
    ids, passages, judged, language_of = [], [], {}, {}
    for language in passage_languages:
        part = parts[language]
        names = collection.passage_ids(language, len(part.passages))
        for query_id, positions in zip(part.query_ids, part.relevant, strict=True):
            judged.setdefault(query_id, {}).update({names[position]: 1 for position in positions})
        language_of.update(dict.fromkeys(names, language))
        ids += names
        passages += part.passages
    # MTEB strips passages before it hands them to a model
    matrix = np.round(queries @ unit(np.stack([seen["document"][text.strip()] for text in passages])).T, 12)
    measures = {f"{m}.{','.join(map(str, CUTOFFS))}" for m in OURS_TO_TREC.values()} | {"map", "recip_rank"}
    evaluator = pytrec_eval.RelevanceEvaluator(judged, measures)
    found, bias = [], []
    for query_id, row in zip(asked.query_ids, matrix, strict=True):
        # pytrec_eval keeps scores as float32: hand it integers in the order of the float64 scores, ties kept
        places = np.unique(row, return_inverse=True)[1]
        found.append(evaluator.evaluate({query_id: dict(zip(ids, places.tolist(), strict=True))})[query_id])
        order = sorted(range(len(ids)), key=lambda i: (places[i], ids[i]), reverse=True)
        listed = [language_of[ids[i]] for i in order]
        relevant = [(rank, listed[rank - 1]) for rank, i in enumerate(order, start=1) if ids[i] in judged[query_id]]
        bias.append(plain_bias(listed, relevant, query_language))
    return found, {name: float(np.mean([one[name] for one in bias])) for name in bias[0]}


def plain_bias(listed, relevant, own):
    """Language bias of one question from the languages of its whole list and its relevant (rank, language) pairs."""
    first, last, m, pool = relevant[0], relevant[-1], len(relevant), len(listed)
    languages = sorted(set(listed))
    exposure = dict.fromkeys(languages, 0.0)
    for rank, language in enumerate(listed[:100], start=1):
        exposure[language] += 1 / math.log2(max(rank, 2))
    shown = [exposure[language] / sum(exposure.values()) for language in languages]
    wanted = [sum(language == one for _, one in relevant) / m for language in languages]
    distance = last[0] - first[0]
    return {
        "rank_distance": distance,
        "rank_distance_normalized": (distance - (m - 1)) / max(1, pool - m),
        "complete_at_20": last[0] <= 20,
        "complete_at_100": last[0] <= 100,
        "language_preference": first[1] == own,
        "language_preference_excess": (first[1] == own) - 1 / m,
        "query_language_share_at_10": listed[:10].count(own) / 10,
        "query_language_share_at_100": listed[:100].count(own) / 100,
        "query_language_share_excess_at_100": listed[:100].count(own) / 100 - listed.count(own) / pool,
        "exposure_fairness_at_100": 1 - jensenshannon(shown, wanted, base=2) ** 2,
    }


def unit(vectors):
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("task", "subset"), [(task, subset) for task, subsets in RUNS.items() for subset in subsets])
def test_scores_equal_pytrec_evals(run, task, subset):
    """All scores of all three settings to 1e-9, in memory; language bias too."""
    scores, seen = run
    ours = scores[task][subset]
    languages = POOL if task == POOLED else (subset.split("-")[-1],)
    theirs, bias = trec_scores(seen, subset.split("-")[0], languages)
    assert ours["map"] == pytest.approx(np.mean([query["map"] for query in theirs]), abs=1e-9)
    assert ours["mrr"] == pytest.approx(np.mean([query["recip_rank"] for query in theirs]), abs=1e-9)
    for name, measure in OURS_TO_TREC.items():
        for k in CUTOFFS:
            expected = np.mean([query[f"{measure}_{k}"] for query in theirs])
            assert ours[f"{name}_at_{k}"] == pytest.approx(expected, abs=1e-9), (name, k)
    if task == POOLED:
        assert {name: ours[name] for name in bias} == pytest.approx(bias, abs=1e-9)


def test_the_scores_are_those_of_a_real_encoder(run):
    """A multilingual encoder finds most answers, and monolingual search is easier than the pool."""
    scores, _ = run
    assert scores["XQuADRMonolingual"]["en"]["map"] > 0.7
    assert scores["XQuADRCrossLingual"]["en-th"]["map"] > 0.4
    assert scores[POOLED]["en"]["map"] < scores["XQuADRMonolingual"]["en"]["map"]
