"""BEIR's own evaluation and BEIR's own search, on what was exported, give our scores."""

from __future__ import annotations

import mteb
import numpy as np
import pytest
import pytrec_eval
import torch
from encoders import CountingEncoder, hashed_vector

from mteb_hybrid.export import export_beir, export_runs

evaluation = pytest.importorskip("beir.retrieval.evaluation", reason="beir is not installed")
dense = pytest.importorskip("beir.retrieval.search.dense")
data_loader = pytest.importorskip("beir.datasets.data_loader")

CUTS = [1, 3, 5, 10, 20, 100, 1000]
NAMES = {"NDCG": "ndcg", "MAP": "map", "Recall": "recall", "P": "precision"}
TASKS = {"MiniQARMonolingual": 11, "MiniQARMultilingual": 11, "MiniQARCrossLingual": 110}


@pytest.fixture(scope="module", params=[*list(TASKS)[:2], pytest.param("MiniQARCrossLingual", marks=pytest.mark.slow)])
def exported(request, tmp_path_factory):
    """Scores by subset of a whole task, the folders of its subsets, and its runs with lists of 1,000."""
    folder = tmp_path_factory.mktemp(request.param)
    task = mteb.get_task(request.param)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MTEB_HYBRID_LIST_DEPTH", "1000")
        result = mteb.evaluate(
            CountingEncoder(), task, cache=None, prediction_folder=folder / "predictions", show_progress_bar=False,
            co2_tracker=False,
        )  # fmt: skip
    folders = {path.name: path for path in export_beir(mteb.get_task(request.param), folder / "beir")}
    runs = {
        path.parents[2].name: path for path in export_runs([folder / "predictions"], request.param, folder / "beir")
    }
    assert len(folders) == len(runs) == TASKS[request.param]
    return {row["hf_subset"]: row for row in result.task_results[0].scores["test"]}, folders, runs


def assert_equal(found, ours):
    """BEIR's four dictionaries, which it rounds to five digits, against a row of our scores."""
    for measure, values in zip(NAMES, found, strict=True):
        for k in CUTS:
            expected = ours[f"{NAMES[measure]}_at_{k}"]
            assert values[f"{measure}@{k}"] == pytest.approx(expected, abs=0.51e-5), f"{measure}@{k}"


def test_beirs_evaluation_of_the_exported_run(exported):
    """NDCG, MAP, recall and precision at every cut-off, of every subset."""
    scores, folders, runs = exported
    for subset, folder in folders.items():
        _, _, judged = data_loader.GenericDataLoader(str(folder)).load(split="test")
        with runs[subset].open(encoding="utf-8") as file:
            run = pytrec_eval.parse_run(file)
        assert_equal(evaluation.EvaluateRetrieval.evaluate(judged, run, CUTS), scores[subset])


class Vectors:
    """The encoder of the run, as BEIR calls one."""

    def encode_queries(self, queries, **options):
        return torch.from_numpy(np.stack([hashed_vector(text) for text in queries]))

    def encode_corpus(self, corpus, **options):
        return self.encode_queries([f"{one['title']} {one['text']}".strip() for one in corpus])


def test_beirs_search_of_the_exported_corpus(exported):
    """BEIR loads a folder, searches it exactly with the same vectors, and evaluates: the same scores."""
    scores, folders, _ = exported
    for subset in list(folders)[::5]:
        corpus, queries, judged = data_loader.GenericDataLoader(str(folders[subset])).load(split="test")
        search = dense.DenseRetrievalExactSearch(Vectors(), show_progress_bar=False)
        retriever = evaluation.EvaluateRetrieval(search, k_values=CUTS, score_function="cos_sim")
        found = retriever.evaluate(judged, retriever.retrieve(corpus, queries), CUTS)
        assert_equal(found, scores[subset])
