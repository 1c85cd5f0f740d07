"""The real XQuAD-R with a real encoder, against pytrec_eval on an independent float64 product."""

from __future__ import annotations

import mteb
import numpy as np
import pytest
import pytrec_eval

from mteb_hybrid.collections import xquad_r
from mteb_hybrid.metrics import CUTOFFS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

RUNS = {"XQuADRMonolingual": ["en", "th"], "XQuADRCrossLingual": ["en-th"], "XQuADRMultilingual": ["en"]}
OURS_TO_TREC = {"map": "map_cut", "ndcg": "ndcg_cut", "recall": "recall", "precision": "P", "hit_rate": "success"}


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
    tasks = [mteb.get_task(name, hf_subsets=subsets) for name, subsets in RUNS.items()]
    folder = tmp_path_factory.mktemp("xquad-r")
    results = mteb.evaluate(model, tasks, cache=None, prediction_folder=folder, co2_tracker=False)
    scores = {result.task_name: {row["hf_subset"]: row for row in result.scores["test"]} for result in results}
    return scores, seen


def trec_scores(seen, query_language, passage_languages):
    """Per-query scores of pytrec_eval, and the relevant passages' scores, from a plain float64 product."""
    collection = xquad_r()
    parts = {language: collection.load(language) for language in {query_language, *passage_languages}}
    asked = parts[query_language]
    queries = unit(np.stack([seen["query"][text] for text in asked.queries]))
    ids, passages, judged = [], [], {}
    for language in passage_languages:
        part = parts[language]
        names = collection.passage_ids(language, len(part.passages))
        for query_id, positions in zip(part.query_ids, part.relevant, strict=True):
            judged.setdefault(query_id, {}).update({names[position]: 1 for position in positions})
        ids += names
        passages += part.passages
    # MTEB strips passages before it hands them to a model
    matrix = np.round(queries @ unit(np.stack([seen["document"][text.strip()] for text in passages])).T, 12)
    measures = {f"{m}.{','.join(map(str, CUTOFFS))}" for m in OURS_TO_TREC.values()} | {"map", "recip_rank"}
    evaluator = pytrec_eval.RelevanceEvaluator(judged, measures)
    found, distances = [], []
    for query_id, row in zip(asked.query_ids, matrix, strict=True):
        # pytrec_eval keeps scores as float32: hand it integers in the order of the float64 scores, ties kept
        places = np.unique(row, return_inverse=True)[1]
        found.append(evaluator.evaluate({query_id: dict(zip(ids, places.tolist(), strict=True))})[query_id])
        order = sorted(range(len(ids)), key=lambda i: (places[i], ids[i]), reverse=True)
        ranks = [rank for rank, i in enumerate(order, start=1) if ids[i] in judged[query_id]]
        distances.append(max(ranks) - min(ranks))
    return found, float(np.mean(distances))


def unit(vectors):
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("task", "subset"), [(task, subset) for task, subsets in RUNS.items() for subset in subsets])
def test_scores_equal_pytrec_evals(run, task, subset):
    """All scores of all three settings to 1e-9, in memory; rank distance too."""
    scores, seen = run
    ours = scores[task][subset]
    languages = xquad_r().languages if task == "XQuADRMultilingual" else (subset.split("-")[-1],)
    theirs, distance = trec_scores(seen, subset.split("-")[0], languages)
    assert ours["map"] == pytest.approx(np.mean([query["map"] for query in theirs]), abs=1e-9)
    assert ours["mrr"] == pytest.approx(np.mean([query["recip_rank"] for query in theirs]), abs=1e-9)
    for name, measure in OURS_TO_TREC.items():
        for k in CUTOFFS:
            expected = np.mean([query[f"{measure}_{k}"] for query in theirs])
            assert ours[f"{name}_at_{k}"] == pytest.approx(expected, abs=1e-9), (name, k)
    if task == "XQuADRMultilingual":
        assert ours["rank_distance"] == pytest.approx(distance, abs=1e-9)


def test_the_scores_are_those_of_a_real_encoder(run):
    """A multilingual encoder finds most answers, and monolingual search is easier than the pool."""
    scores, _ = run
    assert scores["XQuADRMonolingual"]["en"]["map"] > 0.7
    assert scores["XQuADRCrossLingual"]["en-th"]["map"] > 0.4
    assert scores["XQuADRMultilingual"]["en"]["map"] < scores["XQuADRMonolingual"]["en"]["map"]
