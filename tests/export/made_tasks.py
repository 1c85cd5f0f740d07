"""Loaded tasks of MTEB's own class, with data that a test gives."""

from __future__ import annotations

import mteb
from datasets import Dataset
from mteb.abstasks.retrieval import AbsTaskRetrieval


def split_data(corpus: dict[str, str], queries: dict[str, str], judged, **more):
    """A split as MTEB's loader gives it."""
    return {
        "corpus": Dataset.from_dict({"id": list(corpus), "title": [""] * len(corpus), "text": list(corpus.values())}),
        "queries": Dataset.from_dict({"id": list(queries), "text": list(queries.values())}),
        "relevant_docs": judged,
        "top_ranked": None,
        **more,
    }


def made_task(splits, *, name="Made", revision="1"):
    """A loaded task of MTEB's own class with this data."""
    update = {"eval_langs": ["eng-Latn"], "name": name, "dataset": {"path": "x/y", "revision": revision}}
    metadata = mteb.get_task("MiniQARMonolingual").metadata.model_copy(update=update)
    task = type("Made", (AbsTaskRetrieval,), {"metadata": metadata})()
    task.dataset, task.data_loaded = {"default": splits}, True
    return task


CORPUS = {"d1": "one", "d2": "two"}
DEV = split_data(CORPUS, {"q1": "1?", "q2": "2?"}, {"q1": {"d1": 1}, "q2": {"d2": 2}})
TEST = split_data(CORPUS, {"q2": "2?", "q3": "3?"}, {"q2": {"d1": 1}, "q3": {"d2": 1}})
