"""Options of mining: prompts, output, FAISS, and what makes no sense."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from mined_negatives import LookUp, as_view, drawn_items, drawn_vectors
from tiny_models import sentence_transformer

from mteb_hybrid.errors import EmbeddingError, OptionError, TrainingDataError
from mteb_hybrid.trainers import mine_parallel_hard_negatives

# --- models and options ---


def test_the_models_own_prompts_are_used_unless_others_are_given(tmp_path):
    """Saved prompts give the negatives that the same prompts give when they are passed, and not those of none."""
    from sentence_transformers import SentenceTransformer

    items = [{"en": (f"{a}{b} c", f"{b}{a}{b} d")} for a in "pqrs" for b in "tuvw"]
    view = as_view(items)
    saved = {"query": "ask x ", "document": "say y "}
    path = sentence_transformer(tmp_path / "model", prompts=saved)
    model = SentenceTransformer(str(path), device="cpu")
    own = mine_parallel_hard_negatives(view, model)
    model.prompts = {"query": "", "document": ""}
    given = mine_parallel_hard_negatives(view, model, query_prompt="ask x ", passage_prompt="say y ")
    bare = mine_parallel_hard_negatives(view, model)
    assert own[:] == given[:]
    assert own[:] != bare[:]
    look = LookUp(drawn_vectors(items, 0))
    mine_parallel_hard_negatives(view, look, query_prompt="x", use_faiss=False)
    assert look.prompts_seen == {("query", "x"), ("passage", None)}


def test_nothing_is_printed_unless_asked(capfd):
    items = drawn_items(1)
    view, model = as_view(items), LookUp(drawn_vectors(items, 1))
    mine_parallel_hard_negatives(view, model, progress=False)
    assert capfd.readouterr() == ("", "")
    mine_parallel_hard_negatives(view, model, progress=False, verbose=True)
    assert "Metric" in capfd.readouterr().out


def test_missing_faiss_is_said_before_anything_is_done(monkeypatch):
    items = drawn_items(1)
    model = LookUp(drawn_vectors(items, 1))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "faiss" else find(name, *more))
    with pytest.raises(TrainingDataError, match=r'pip install "mteb-hybrid\[faiss\]".*use_faiss=False'):
        mine_parallel_hard_negatives(as_view(items), model)
    assert not model.seen
    mine_parallel_hard_negatives(as_view(items), model, use_faiss=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_embeddings_that_cannot_be_ranked_are_an_error(bad):
    items = drawn_items(1)
    vectors = drawn_vectors(items, 1)
    name = next(text for text in vectors if "passage" in text)
    vectors[name] = np.full(5, bad)
    with pytest.raises(EmbeddingError, match=f"passage.*{name}"), np.errstate(all="ignore"):
        mine_parallel_hard_negatives(as_view(items), LookUp(vectors), use_faiss=False)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"pool": "bilingual"}, "pool must be"),
        ({"missing": "skip"}, "missing must be"),
        ({"num_negatives": 0}, "num_negatives must be at least 1, not 0"),
        ({"range_min": -1}, "range_min must be at least 0"),
        ({"range_min": 9, "range_max": 10, "num_negatives": 2}, "between range_min=9 and range_max=10"),
        ({"sampling_strategy": "best"}, "sampling_strategy must be"),
        ({"relative_margin": float("nan")}, "relative_margin must be a finite number"),
    ],
)
def test_options_that_make_no_sense_are_refused(option, message):
    items = drawn_items(1)
    with pytest.raises(OptionError, match=message):
        mine_parallel_hard_negatives(as_view(items), LookUp(drawn_vectors(items, 1)), **option)
