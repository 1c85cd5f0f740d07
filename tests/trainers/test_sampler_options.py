"""How many batches there are, which options there are, and what is said where they cannot be had."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from datasets import Dataset
from textless_data import count_rows, data, dense, sparse
from torch.utils.data import DataLoader

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers import HybridBatchSampler, ParallelDataset
from mteb_hybrid.trainers.data.triples import Shape


def view(items: int = 40, languages: str = "ar de en", **options) -> ParallelDataset:
    """A real view of items that all have all languages."""
    columns = {
        f"{role}_{language}": [f"{role} {number} {language}" for number in range(items)]
        for role in ("query", "passage")
        for language in languages.split()
    }
    return ParallelDataset.from_wide(Dataset.from_dict(columns), **options)


@pytest.mark.parametrize("items", [12, 47, 60, 61])
@pytest.mark.parametrize("batch_size", [1, 5, 12])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_length_is_exact_and_follows_from_the_number_of_items(items, batch_size, processes):
    """All items in full global steps, counted over all processes."""
    if items < batch_size * processes:
        return
    sampler = HybridBatchSampler(dense(items), batch_size, processes=processes)
    assert len(sampler) == items // (batch_size * processes) * processes
    assert len(list(sampler)) == len(sampler)


@pytest.mark.parametrize("alpha", [0, 0.4, 1])
@pytest.mark.parametrize("temperature", [1.0, 5.0])
@pytest.mark.parametrize("drop_last", [False, True])
def test_the_length_is_exact_on_sparse_data(alpha, temperature, drop_last):
    """The items that can be drawn, each counted once for all its languages."""
    shapes = sparse().shapes
    sampler = HybridBatchSampler(data(shapes, temperature=temperature), 9, drop_last, alpha=alpha)
    drawable = {row.item for row in count_rows(shapes) if row.cross == (alpha == 0) or 0 < alpha < 1}
    assert len(sampler) == len(drawable) // 9
    assert len(list(sampler)) == len(sampler)


def test_steps_per_epoch_are_global_steps():
    """However many items there are, one epoch has that many steps of every process."""
    for steps in (1, 7, 500):
        sampler = HybridBatchSampler(dense(40), 5, steps_per_epoch=steps, processes=2)
        assert len(sampler) == len(list(sampler)) == 2 * steps
    with pytest.raises(TrainingDataError, match="steps_per_epoch must be at least 1, got 0"):
        HybridBatchSampler(dense(40), 5, steps_per_epoch=0)


def test_languages_restrict_what_is_drawn():
    """Only rows in these languages are drawn, and the epoch counts the items that have such rows."""
    dataset = sparse()
    rows = count_rows(dataset.shapes)
    sampler = HybridBatchSampler(dataset, 5, languages=["de", "zh"], language_weights={"de": 1})
    wanted = {number for number, row in enumerate(rows) if {row.query, row.passage} <= {"de", "zh"}}
    drawn = [row for batch in sampler for row in batch]
    assert set(drawn) <= wanted
    assert {rows[row].query for row in drawn if not rows[row].cross} == {"de"}
    drawable = {rows[row].item for row in wanted if rows[row].cross or rows[row].query == "de"}
    assert len(sampler) == len(drawable) // 5
    assert list(HybridBatchSampler(dataset, 5, languages=["zh", "de"])) == list(
        HybridBatchSampler(dataset, 5, languages=("de", "zh"))
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_of_a_data_loader_do_not_matter(workers):
    """The batches that arrive are the sampler's, in its order."""
    dataset = view()
    sampler = HybridBatchSampler(dataset, 5, seed=3)
    loader = DataLoader(dataset, batch_sampler=sampler, num_workers=workers, collate_fn=list)
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        assert list(loader) == [dataset.__getitems__(batch) for batch in sampler]


def test_an_evaluation_set_gives_the_same_batches_whatever_is_asked():
    """Alpha, weights, languages, seed and epoch change nothing; X-X and X-Y take turns."""
    dataset = view().for_evaluation()
    first = HybridBatchSampler(dataset, 5)
    expected = list(first)
    first.set_epoch(4)
    assert list(first) == expected
    for options in (
        {"alpha": 0},
        {"alpha": 1, "seed": 9},
        {"languages": ["ar"]},
        {"monolingual": "mixed", "steps_per_epoch": 3},
        {"language_weights": {"ar": 1}, "pair_weights": {"ar-de": 1}},
    ):
        assert list(HybridBatchSampler(dataset, 5, **options)) == expected
    assert len(expected) == 8
    cross = [[label & 1 for label in dataset[batch]["label"]] for batch in expected]
    assert cross == [[number % 2] * 5 for number in range(8)]


@pytest.mark.parametrize(("batch_size", "processes", "size", "steps"), [(12, 1, 12, 2), (100, 1, 20, 2), (7, 3, 6, 2)])
def test_a_small_evaluation_set_gives_smaller_batches(batch_size, processes, size, steps):
    """As large as its items allow, of one size, and at least one of either kind."""
    sampler = HybridBatchSampler(view(20).for_evaluation(), batch_size, processes=processes)
    batches = list(sampler)
    assert sampler.batch_size == size
    assert {len(batch) for batch in batches} == {size}
    assert len(batches) == len(sampler) == steps * processes


def test_a_monolingual_evaluation_set_gives_xx_batches(caplog):
    """Without a warning, whatever alpha training has."""
    dataset = view(20, "en").for_evaluation()
    sampler = HybridBatchSampler(dataset, 5, alpha=0.5)
    assert all(not label & 1 for batch in sampler for label in dataset[batch]["label"])
    assert len(sampler) == 4
    assert not caplog.records


def test_an_evaluation_set_of_one_kind_gives_that_kind():
    """Only pairs of different languages, or several languages that nothing links."""
    cross = [Shape(10, ("ar",), ("de",)), Shape(10, ("de",), ("ar",))]
    same = [Shape(10, ("ar",), ("ar",)), Shape(10, ("de",), ("de",))]
    for shapes in (cross, same):
        sampler = HybridBatchSampler(data(shapes, evaluation=True), 5)
        rows = count_rows(shapes)
        assert {rows[row].cross for batch in sampler for row in batch} == {shapes is cross}


def test_training_on_one_language_warns(caplog):
    """Alpha then means nothing; with alpha = 1 all is as asked."""
    sampler = HybridBatchSampler(dense(20, "en"), 5, alpha=0.3)
    assert "The data has one language: every batch is X-X, and alpha=0.3 means nothing" in caplog.text
    assert len(list(sampler)) == 4
    caplog.clear()
    HybridBatchSampler(dense(20, "en"), 5, alpha=1)
    HybridBatchSampler(dense(20, "de en"), 5, languages=["en"], alpha=1)
    assert not caplog.records


FEW = [Shape(3, ("ar", "de"), ("ar", "de")), Shape(30, ("de", "en"), ("de", "en"))]


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        (dense(9), {"batch_size": 10}, r"language 'ar': 9 items without a text in common, but a step needs 10"),
        (dense(9), {"batch_size": 5, "processes": 2}, r"needs 10 \(batch size 5, 2 processes\); lower the batch size"),
        (data(FEW), {}, r"language 'ar': 3 items .* leave the language out with languages=\[...\]"),
        (dense(9), {"alpha": 0}, "all pairs of different languages together: 9 items"),
        (dense(9), {"alpha": 1, "monolingual": "mixed"}, "all languages together: 9 items"),
        (data(dense(99).shapes, np.arange(99) % 4), {}, "4 items without a text in common"),
        (dense(40), {"processes": 0}, "processes must be at least 1, got 0"),
        (dense(40), {"alpha": 1.5}, r"alpha, the share of monolingual batches, must be in \[0, 1\]; got 1.5"),
        (dense(40), {"alpha": float("nan")}, "got nan"),
        (dense(40), {"monolingual": "both"}, "monolingual must be 'one-language' or 'mixed', got 'both'"),
        (dense(40), {"languages": ["ar", "fr"]}, "the data has no language 'fr'; it has ar, de, en"),
        (dense(40), {"language_weights": {"fr": 1}}, "language_weights: the data has nothing for 'fr'"),
        (data([Shape(40, ("ar",), ("de",))]), {}, "alpha=0.5 asks for X-X batches, but no language has"),
        (data([Shape(40, ("ar",), ("ar",)), Shape(40, ("de",), ("de",))]), {}, "asks for X-Y batches, but nothing"),
    ],
)
def test_what_cannot_be_had_is_said(dataset, options, message):
    """An error of its own, with what is missing and what to do."""
    options = {"batch_size": 10, **options}
    with pytest.raises(TrainingDataError, match=message):
        HybridBatchSampler(dataset, **options)


def test_a_small_language_can_be_left_out():
    """What the message advises, works."""
    for options in ({"languages": ["de", "en"]}, {"language_weights": {"de": 1, "en": 1}}, {"alpha": 0}):
        assert list(HybridBatchSampler(data(FEW), 10, **options))


def test_an_evaluation_set_too_small_for_its_processes():
    """One item for each process is the least."""
    with pytest.raises(TrainingDataError, match="2 items"):
        HybridBatchSampler(data(dense(2).shapes, evaluation=True), 10, processes=3)
    assert len(list(HybridBatchSampler(data(dense(3).shapes, evaluation=True), 10, processes=3))) == 6


def test_epochs_come_through_the_ways_that_accelerate_has():
    """By the sampler, by its attribute ``sampler``, and by the data set, which a copy of it does not pass on."""
    dataset = view()
    sampler = HybridBatchSampler(dataset, 5)
    for number, way in enumerate((sampler.set_epoch, sampler.sampler.set_epoch, dataset.set_epoch), start=1):
        way(number)
        assert sampler.epoch == number
    for copied in (copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):
        copied.set_epoch(9)
        assert sampler.epoch == 3
    later = HybridBatchSampler(dataset, 5)
    dataset.set_epoch(7)
    assert (sampler.epoch, later.epoch) == (3, 7)


def test_a_loader_that_counts_anew_does_not_set_the_epoch_back():
    """As the one that skips batches did before accelerate 1.15; who knows the sampler can."""
    dataset = view()
    sampler = HybridBatchSampler(dataset, 5)
    dataset.set_epoch(2)
    dataset.set_epoch(0)
    assert sampler.epoch == 2
    dataset.set_epoch(1)
    assert sampler.epoch == 1
    sampler.sampler.set_epoch(0)
    assert sampler.epoch == 0


def test_the_seed_of_a_generator_counts_where_there_is_no_other():
    """Some versions of sentence-transformers pass the trainer's seed in it alone; nothing is drawn from it."""

    def batches(**options):
        return list(HybridBatchSampler(dense(60), 6, **options))

    seeded = torch.Generator()
    seeded.manual_seed(7)
    before = seeded.get_state()
    assert batches(generator=seeded) == batches(seed=7) != batches()
    assert torch.equal(seeded.get_state(), before)
    assert batches(generator=seeded, seed=3) == batches(seed=3)
    assert batches(generator=torch.Generator()) == batches()


def test_what_the_trainer_passes_can_be_asked_for():
    """As of any batch sampler of sentence-transformers: loaders look at it."""
    passed = {"drop_last": True, "valid_label_columns": ["label"], "generator": torch.Generator(), "seed": 4}
    sampler = HybridBatchSampler(dense(60), 6, **passed)
    assert {name: getattr(sampler, name) for name in passed} == passed
    assert sampler.batch_size == 6
