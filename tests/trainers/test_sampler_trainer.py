"""The sampler in sentence-transformers' trainer: what arrives at the loss, and what a resumed run goes on with."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict
from recording_trainer import BATCH, RecordingTrainer, arguments, items_dataset, table
from sentence_transformers import MultiDatasetDefaultBatchSampler, SentenceTransformer
from sentence_transformers.losses import MultipleNegativesRankingLoss
from tiny_models import sentence_transformer

from mteb_hybrid.trainers import HybridBatchSampler, ParallelDataset
from mteb_hybrid.trainers.labels import label_cross_lingual, label_item

pytest.importorskip("accelerate", reason="training needs accelerate")


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory) -> Path:
    return sentence_transformer(tmp_path_factory.mktemp("model") / "tiny")


def train(model_directory, folder, dataset, *, resume=None, evaluate=None, **options) -> RecordingTrainer:
    """A trainer after its run."""
    model = SentenceTransformer(str(model_directory), device="cpu")
    trainer = RecordingTrainer(
        model=model,
        args=arguments(folder, **options),
        train_dataset=dataset,
        eval_dataset=evaluate,
        loss=MultipleNegativesRankingLoss(model),
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


@pytest.mark.parametrize("partial", [False, True])
def test_a_view_trains_on_the_samplers_batches(model_directory, tmp_path, partial):
    """Whether the class is given or a partial of it: epoch after epoch, nothing but texts and labels arrives."""
    dataset = items_dataset()
    given = functools.partial(HybridBatchSampler, alpha=0.2) if partial else HybridBatchSampler
    trainer = train(model_directory, tmp_path, dataset, batch_sampler=given, num_train_epochs=2)
    expected = HybridBatchSampler(dataset, BATCH, seed=7, alpha=0.2 if partial else 0.5)
    rows = []
    for epoch in (0, 1):
        expected.set_epoch(epoch)
        rows += list(expected)
    assert dataset.fetched == rows
    assert trainer.labels == [dataset[batch]["label"] for batch in rows]
    assert trainer.columns == {"query", "passage", "label"}
    assert trainer.state.global_step == 2 * len(expected)


def test_plain_pairs_keep_their_languages_from_the_collator(model_directory, tmp_path):
    """A data set with language columns and items: the collated batch has its texts, and labels in their place."""
    dataset = Dataset.from_dict(
        {
            "anchor": [f"question {number}" for number in range(60)],
            "positive": [f"answer {number // 2}" for number in range(60)],
            "anchor_language": ["en", "de", "ar"] * 20,
            "positive_language": ["en", "de", "ar", "en", "de", "ar", "de", "ar", "en"] * 6 + ["en", "de", "ar"] * 2,
            "item": list(range(60)),
        }
    )
    trainer = train(model_directory, tmp_path, dataset, max_steps=5)
    assert trainer.columns == {"anchor", "positive", "label"}
    for labels in trainer.labels:
        assert len({label_item(label) for label in labels}) == BATCH
        assert len({label_cross_lingual(label) for label in labels}) == 1


@pytest.mark.parametrize("prompts", [None, {"small": {"query": "ask: "}, "large": {"query": "ask: "}}])
def test_views_in_a_dataset_dict(model_directory, tmp_path, prompts):
    """Each has a sampler of its own; a batch is of one of them, with its kind.

    Sentence-transformers 5.0 does not tell the samplers of several data sets about epochs.
    """
    datasets = DatasetDict({"small": items_dataset(16), "large": items_dataset(40)})
    trainer = train(model_directory, tmp_path, datasets, prompts=prompts, num_train_epochs=2)
    assert trainer.columns - {"dataset_name"} == {"query", "passage", "label"}
    assert trainer.state.global_step == 2 * (16 // BATCH + 40 // BATCH) == len(trainer.labels)
    expected = []
    for dataset in datasets.values():
        sampler = HybridBatchSampler(dataset, BATCH, seed=7)
        for epoch in (0, 1) if "set_epoch" in vars(MultiDatasetDefaultBatchSampler) else (0, 0):
            sampler.set_epoch(epoch)
            expected += [dataset[batch]["label"] for batch in sampler]
    assert sorted(trainer.labels) == sorted(expected)


def test_evaluation_batches_are_the_same_at_every_evaluation(model_directory, tmp_path):
    """And smaller ones where the set is small; monolingual sets are accepted, too, while training is on several."""
    held_out = items_dataset(3).for_evaluation()
    monolingual = ParallelDataset.from_wide(Dataset.from_dict(table(9, "en"))).for_evaluation()
    trainer = train(
        model_directory,
        tmp_path,
        items_dataset(),
        evaluate=DatasetDict({"all": held_out, "english": monolingual}),
        max_steps=4,
        eval_strategy="steps",
        eval_steps=2,
    )
    losses = [
        (entry["step"], key, value)
        for entry in trainer.state.log_history
        for key, value in entry.items()
        if key.endswith("_loss")
    ]
    assert {(step, key) for step, key, _ in losses} >= {(2, "eval_all_loss"), (4, "eval_english_loss")}
    evaluated = trainer.evaluated
    assert evaluated[: len(evaluated) // 2] == evaluated[len(evaluated) // 2 :]
    assert {len(batch) for batch in evaluated} == {3, BATCH}


@pytest.mark.parametrize("step", [3, 11, pytest.param(8, marks=pytest.mark.slow)])
def test_a_resumed_run_goes_on_with_the_same_batches(model_directory, tmp_path, step):
    """From the middle of the first epoch and of the second one, and from the end of one."""
    whole = items_dataset(32)
    train(model_directory, tmp_path / "whole", whole, num_train_epochs=3, save_strategy="steps", save_steps=step)
    assert len(whole.fetched) == 24
    rest = items_dataset(32)
    checkpoint = tmp_path / "whole" / f"checkpoint-{step}"
    train(model_directory, tmp_path / "rest", rest, num_train_epochs=3, resume=str(checkpoint))
    assert rest.fetched == whole.fetched[step:]
