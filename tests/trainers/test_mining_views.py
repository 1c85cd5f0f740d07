"""Views with mined negatives: what they keep, what can be done with them, and that they train."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Value
from mined_negatives import LANGUAGES, LookUp, as_view, drawn_items, drawn_vectors
from tiny_models import sentence_transformer

from mteb_hybrid import trainers
from mteb_hybrid.trainers import HybridBatchSampler, ParallelDataset, mine_parallel_hard_negatives

# --- the view ---


def test_options_of_the_view_are_kept_and_views_go_on():
    """Parallel columns, temperature and evaluation stay; the mined view selects, restricts, joins and pickles."""
    items = drawn_items(6, 20)
    vectors = drawn_vectors(items, 6)
    plain = as_view(items, parallel=True, temperature=2.0).for_evaluation()
    for pool in ("monolingual", "multilingual"):
        mined = mine_parallel_hard_negatives(plain, LookUp(vectors), pool=pool, use_faiss=False)
        assert mined.parallel
        assert mined.training_rows.temperature == 2.0
        assert mined.training_rows.evaluation
        assert mined.num_items == plain.num_items
        without = {name: column for name, column in mined[:].items() if name != "negative"}
        assert without == plain[:]
        whole = {(row["query"], row["passage"]): row["negative"] for row in mined}
        some = mined.select_items(np.arange(0, mined.num_items, 2))
        part = mined.restrict(["de", "en"])
        for row in (*some, *part):
            assert row["negative"] == whole[row["query"], row["passage"]]
        assert pickle.loads(pickle.dumps(mined))[5] == mined[5]
        assert len(part) < len(mined)


def test_views_that_were_mined_in_different_pools_can_be_joined():
    """Each row has the negatives that it had."""
    items = drawn_items(6, 20)
    vectors = drawn_vectors(items, 6)
    views = [
        mine_parallel_hard_negatives(as_view(items), LookUp(vectors), pool=pool, use_faiss=False)
        for pool in ("monolingual", "multilingual")
    ]
    joined = ParallelDataset.join(views)
    for column in ("query", "negative"):
        assert joined[:][column] == views[0][:][column] + views[1][:][column]


def test_negatives_that_were_there_are_replaced():
    table = {"query_en": ["a", "b"], "passage_en": ["c", "d"], "negative_1_en": ["x", "y"], "negative_2_en": ["z", "w"]}
    view = ParallelDataset.from_wide(Dataset.from_dict(table))
    mined = mine_parallel_hard_negatives(view, LookUp({text: [1.0, 2.0] for text in "abcd"}), use_faiss=False)
    assert mined[:]["negative"] == ["d", "c"]
    assert view[:]["negative_1"] == ["x", "y"]


def test_tables_of_several_kinds_are_searched_together():
    """Short and long strings, and tables with a selection of rows, are one pool."""
    long = Dataset.from_dict(
        {"query_en": ["a", "b"], "passage_en": ["pa", "pb"]},
        features=Features({"query_en": Value("large_string"), "passage_en": Value("large_string")}),
    )
    short = Dataset.from_dict({"query_en": ["no", "c", "d"], "passage_en": ["no", "pc", "pd"]}).select([2, 1])
    view = ParallelDataset.join([ParallelDataset.from_wide(long), ParallelDataset.from_wide(short)])
    angle = {"a": 0.0, "pa": 0.5, "pc": 1.0, "c": 1.0, "b": 3.0, "pb": 3.0, "pd": 2.5, "d": 2.5}
    model = LookUp({text: [np.cos(one), np.sin(one)] for text, one in angle.items()})
    mined = mine_parallel_hard_negatives(view, model, use_faiss=False)
    assert dict(zip(mined[:]["query"], mined[:]["negative"], strict=True)) == {
        "a": "pc", "b": "pd", "d": "pb", "c": "pa",
    }  # fmt: skip


def test_negatives_are_rows_of_the_tables():
    """Nothing but integers is stored for them."""
    items = drawn_items(6, 20)
    mined = mine_parallel_hard_negatives(as_view(items), LookUp(drawn_vectors(items, 6)), use_faiss=False)
    for block in mined.blocks:
        for texts in (one for several in block.negatives.values() for one in several):
            assert isinstance(texts.rows, np.ndarray)
            assert texts.rows.dtype == np.int32
            assert texts.rows.shape == (block.count,)


def test_it_is_exported():
    assert trainers.mine_parallel_hard_negatives is mine_parallel_hard_negatives
    assert "mine_parallel_hard_negatives" in trainers.__all__


@pytest.mark.parametrize("pool", ["monolingual", "multilingual"])
def test_a_mined_view_trains(pool, tmp_path):
    """Sentence-transformers' trainer, our sampler and its loss take a mined view; negatives reach the loss."""
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    words = ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op", "qr", "st"]
    items = [{x: (f"{x} {word}", f"{word} {x} {word}") for x in LANGUAGES} for word in words]
    model = SentenceTransformer(str(sentence_transformer(tmp_path / "model")), device="cpu")
    view = mine_parallel_hard_negatives(as_view(items), model, pool=pool, num_negatives=2)
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path / "run"), max_steps=2, per_device_train_batch_size=4, batch_sampler=HybridBatchSampler,
        report_to=[], use_cpu=True, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    loss = MultipleNegativesRankingLoss(model)
    widths = []
    loss.register_forward_pre_hook(lambda _, inputs: widths.append(len(list(inputs[0]))))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=view, loss=loss)
    result = trainer.train()
    assert result.global_step == 2
    assert np.isfinite(result.training_loss)
    assert widths == [4, 4]
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
