"""Real models of the other kinds: BM25, sparse, late interaction, cross-encoder."""

from __future__ import annotations

import mteb
import pytest
import sentence_transformers
from mteb.abstasks.retrieval import AbsTaskRetrieval
from tiny_models import base_model

from mteb_hybrid.rank_table import RankTable

SHARED = ["map_at_1", "map_at_10", "map_at_1000", "ndcg_at_10", "recall_at_1", "recall_at_100", "precision_at_5"]


def bm25(folder):
    pytest.importorskip("bm25s", reason="bm25s is not installed")
    return mteb.get_model("mteb/baseline-bm25s")


def saved(kind, saved_by, **config):
    def build(folder):
        if not hasattr(sentence_transformers, saved_by):
            pytest.skip(f"this version of sentence-transformers has no {saved_by}")
        if not hasattr(mteb.models, f"{saved_by.replace('MultiVectorEncoder', 'MultiVector')}Wrapper"):
            pytest.skip(f"this version of MTEB has no wrapper for a {saved_by}")
        base = base_model(folder / "base", kind, **config)
        getattr(sentence_transformers, saved_by)(str(base), device="cpu").save_pretrained(str(folder / "saved"))
        if not (folder / "saved" / "config_sentence_transformers.json").is_file():
            pytest.skip(f"this version of sentence-transformers writes no configuration of a {saved_by}")
        return mteb.get_model(str(folder / "saved"), device="cpu")

    return build


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(bm25, id="bm25"),
        pytest.param(saved("BertForMaskedLM", "SparseEncoder"), id="sparse"),
        pytest.param(saved("BertModel", "MultiVectorEncoder"), id="late-interaction"),
        pytest.param(saved("BertForSequenceClassification", "CrossEncoder", num_labels=1), id="cross-encoder"),
    ],
)
def test_scores_equal_mtebs_own(build, tmp_path):
    """From MTEB's search come MTEB's scores (to its five digits) and ours over the full ranking, and a rank table."""
    model = build(tmp_path)
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    ours = mteb.evaluate(
        model, task, cache=None, prediction_folder=tmp_path / "predictions", show_progress_bar=False, co2_tracker=False
    )
    found = ours.task_results[0].scores["test"][0]
    (path,) = (tmp_path / "predictions").rglob("*.parquet")
    table = RankTable.read(path)
    assert table.info.similarity == "search"
    assert table.info.full_ranking
    assert found["map"] == pytest.approx(found["mrr"])  # one relevant passage a question
    assert 0 < found["map"] <= 1
    assert "not_retrieved" not in found

    stock = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    stock.load_data()
    split = dict(stock.dataset["de"]["test"])
    if model.mteb_model_meta.model_type == ["cross-encoder"]:
        ids = split["corpus"][:]["id"]
        split["top_ranked"] = dict.fromkeys(split["queries"][:]["id"], ids)
    from mteb.timing import TimingStack

    theirs = AbsTaskRetrieval._evaluate_subset(
        stock, model, split, encode_kwargs={"batch_size": 32}, hf_split="test", hf_subset="de", timer=TimingStack()
    )
    for name in SHARED:
        assert found[name] == pytest.approx(theirs[name], abs=2e-5), name
