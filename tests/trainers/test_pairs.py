"""A plain data set of pairs with language columns: sampled as asked, and nothing but texts reaches the tokenizer."""

from __future__ import annotations

import copy
from collections import Counter
from functools import partial

import numpy as np
import pytest
from datasets import Dataset

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers import HybridBatchSampler
from mteb_hybrid.trainers.data.plain_dataset import training_rows
from mteb_hybrid.trainers.labels import label_cross_lingual, label_item

LANGUAGES = ("ar", "de", "en")
NAMES = {"anchor": ("anchor_language", "positive_language"), "query": ("query_language", "passage_language")}


def table(items: int = 15, first: str = "anchor", second: str = "positive", **more) -> dict[str, list]:
    """Every item in every pair of three languages, rows shuffled."""
    rows = [(item, query, passage) for item in range(items) for query in LANGUAGES for passage in LANGUAGES]
    rows = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    columns = {
        first: [f"question {item} in {query}" for item, query, _ in rows],
        second: [f"answer {item} in {passage}" for item, _, passage in rows],
        NAMES[first][0]: [query for _, query, _ in rows],
        NAMES[first][1]: [passage for _, _, passage in rows],
        "item": [item for item, _, _ in rows],
    }
    return {**columns, **{name: [make(row) for row in rows] for name, make in more.items()}}


def without(columns: dict[str, list], *names: str) -> Dataset:
    return Dataset.from_dict({name: values for name, values in columns.items() if name not in names})


@pytest.mark.parametrize(("first", "second"), [("anchor", "positive"), ("query", "passage")])
@pytest.mark.parametrize("processes", [1, 2])
def test_batches_are_of_one_kind_and_have_no_item_twice(first, second, processes):
    """By the values of the language columns and of ``item``; pairs of one kind are drawn alike."""
    columns = table(30, first, second)
    query, passage = (columns[name] for name in NAMES[first])
    sampler = HybridBatchSampler(Dataset.from_dict(columns), 6, processes=processes, steps_per_epoch=300)
    batches = list(sampler)
    seen = Counter()
    for number in range(0, len(batches), processes):
        rows = [row for batch in batches[number : number + processes] for row in batch]
        assert len({columns["item"][row] for row in rows}) == 6 * processes
        kinds = {query[row] != passage[row] for row in rows}
        assert len(kinds) == 1
        if not kinds.pop():
            assert len({query[row] for row in rows}) == 1
        seen.update((query[row], passage[row]) for row in rows)
    assert set(seen) == {(one, other) for one in LANGUAGES for other in LANGUAGES}


def test_an_epoch_has_all_rows():
    """As many rows as the data set, less what does not fill a step; those of a pair are covered evenly."""
    columns = table(30)
    sampler = HybridBatchSampler(Dataset.from_dict(columns), 7)
    assert len(sampler) == 270 // 7
    seen = Counter(row for batch in sampler for row in batch)
    pairs = list(zip(columns["anchor_language"], columns["positive_language"], strict=True))
    for pair in set(pairs):
        counts = [seen[row] for row in range(270) if pairs[row] == pair]
        assert max(counts) - min(counts) <= 2


def test_without_items_rows_that_share_a_text_count_as_one():
    """Here the question in a language, or the answer in another, links all rows of an item."""
    columns = table()
    sampler = HybridBatchSampler(without(columns, "item"), 8, steps_per_epoch=100)
    assert all(len({columns["item"][row] for row in batch}) == 8 for batch in sampler)


def test_items_and_shared_texts_both_count():
    """Two items with the same answer are never in one batch, although their numbers differ."""
    columns = table()
    columns["positive"] = [
        text if item > 1 else "the same" for text, item in zip(columns["positive"], columns["item"], strict=True)
    ]
    sampler = HybridBatchSampler(Dataset.from_dict(columns), 8, steps_per_epoch=200)
    together = [{columns["item"][row] for row in batch} for batch in sampler]
    assert all(len(items) == 8 and not {0, 1} <= items for items in together)


def test_rows_lose_their_languages_and_get_a_label():
    """What the trainer reads: texts as they were, in their order, and a label with item and kind of row."""
    columns = table(negative=lambda row: f"wrong {row}")
    dataset = Dataset.from_dict(columns)
    HybridBatchSampler(dataset, 6)
    rows = dataset[:]
    assert list(rows) == ["anchor", "positive", "negative", "label"]
    for name in ("anchor", "positive", "negative"):
        assert list(rows[name]) == columns[name]
    cross = [
        query != passage
        for query, passage in zip(columns["anchor_language"], columns["positive_language"], strict=True)
    ]
    assert [bool(label_cross_lingual(label)) for label in rows["label"]] == cross
    by_item = {}
    for item, label in zip(columns["item"], rows["label"], strict=True):
        by_item.setdefault(item, set()).add(label_item(label))
        assert 0 <= label < 2**63
    assert all(len(numbers) == 1 for numbers in by_item.values())
    assert len(set.union(*by_item.values())) == 15
    assert dataset[3] == {name: values[3] for name, values in rows.items()}
    assert dataset.__getitems__([3])[0] == dataset[3]


def test_without_items_the_passage_is_the_item():
    """Rows with the same passage are of one item, whatever white space is around it."""
    dataset = Dataset.from_dict(
        {
            "anchor": ["a", "b", "c"],
            "positive": ["x", " x\n", "y"],
            "anchor_language": ["en", "de", "en"],
            "positive_language": ["en", "en", "de"],
        }
    )
    training_rows(dataset)
    first, second, third = (label_item(label) for label in dataset[:]["label"])
    assert first == second != third


def test_a_second_sampler_changes_nothing():
    """The trainer makes one for every run: rows look the same, and there is one transform."""
    dataset = Dataset.from_dict(table())
    first = HybridBatchSampler(dataset, 6, seed=1)
    rows, transform = dataset[:], dataset.format["format_kwargs"]["transform"]
    second = HybridBatchSampler(dataset, 6, seed=1)
    assert list(first) == list(second)
    assert dataset[:] == rows
    assert dataset.format["format_kwargs"]["transform"] is transform
    assert list(HybridBatchSampler(copy.deepcopy(dataset), 6, seed=1)) == list(first)


def shout(batch: dict[str, list]) -> dict[str, list]:
    """A transform that needs the language columns."""
    return {
        **batch,
        "anchor": [
            f"{lang}: {text.upper()}" for lang, text in zip(batch["anchor_language"], batch["anchor"], strict=True)
        ],
    }


def test_a_transform_that_is_there_is_kept():
    """It sees all columns, as before; what it makes loses the language columns."""
    columns = table()
    dataset = Dataset.from_dict(columns)
    dataset.set_transform(shout)
    HybridBatchSampler(dataset, 6)
    for _ in range(2):
        assert set(dataset[0]) == {"anchor", "positive", "label"}
        assert dataset[0]["anchor"] == f"{columns['anchor_language'][0]}: {columns['anchor'][0].upper()}"
        HybridBatchSampler(dataset, 6)


def name_it(batch, transform=None, **_):
    """What sentence-transformers' trainer wraps around the transform that it finds."""
    batch = transform(batch) if transform else batch
    return {**batch, "dataset_name": ["one"] * len(next(iter(batch.values())))}


def test_a_transform_around_ours_is_kept():
    """As the trainer sets one when the next run begins."""
    dataset = Dataset.from_dict(table())
    HybridBatchSampler(dataset, 6)
    rows = dataset[:]
    for _ in range(3):
        dataset.set_transform(partial(name_it, **dataset.format["format_kwargs"]))
        HybridBatchSampler(dataset, 6)
        assert dataset[:] == {**rows, "dataset_name": ["one"] * len(dataset)}


@pytest.mark.parametrize("name", ["label", "labels", "score", "scores"])
def test_a_label_of_the_users_own_stays(name):
    """Then ours is not added: the collator would take the other one for a text."""
    dataset = Dataset.from_dict(table(**{name: lambda row: row[0]}))
    HybridBatchSampler(dataset, 6)
    assert list(dataset[:]) == ["anchor", "positive", name]
    assert dataset[5][name] == table()["item"][5]


def test_a_formatted_data_set_is_read_as_text():
    """A format such as NumPy's is not in the way."""
    columns = table()
    dataset = Dataset.from_dict(columns).with_format("numpy")
    assert list(HybridBatchSampler(dataset, 6)) == list(HybridBatchSampler(Dataset.from_dict(columns), 6))
    assert dataset[0]["anchor"] == columns["anchor"][0]


def test_a_selection_of_rows_is_sampled_as_such():
    """Row numbers are those of the selection."""
    columns = table(30)
    rows = [row for row in range(270) if columns["item"][row] % 2]
    dataset = Dataset.from_dict(columns).select(rows)
    sampler = HybridBatchSampler(dataset, 6)
    assert len(sampler) == 135 // 6
    for batch in sampler:
        assert len({columns["item"][rows[row]] for row in batch}) == 6
        kinds = {columns["anchor_language"][rows[row]] != columns["positive_language"][rows[row]] for row in batch}
        assert len(kinds) == 1


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ([1, 2], "needs a datasets.Dataset, got list"),
        (without(table(), "anchor_language"), "a Dataset of pairs with columns 'anchor_language' and 'positive_lang"),
        (without(table(), "anchor_language", "positive_language"), "this one has anchor, positive, item"),
        (without(table(), "anchor"), r"needs two columns of texts, this one has \['positive'\]"),
        (Dataset.from_dict(table()).select([]), "the Dataset of pairs is empty"),
        (
            Dataset.from_dict(table(anchor_language=lambda row: None if row[0] == 7 else "en")),
            "'anchor_language' has no",
        ),
        (Dataset.from_dict(table(positive_language=lambda row: "")), "has no language in row 0 .135 such rows"),
        (Dataset.from_dict(table(anchor=lambda row: "" if row[0] == 7 else f"{row}")), "column 'anchor': row \\d+ has"),
        (
            Dataset.from_dict(table(positive=lambda row: None if row[0] == 7 else f"{row}")),
            "column 'positive': row \\d+ has",
        ),
        (Dataset.from_dict(table(item=lambda row: None if row[0] == 7 else row[0])), "column 'item' is null in row"),
    ],
)
def test_what_is_missing_is_said(dataset, message):
    """With the column and the row."""
    with pytest.raises(TrainingDataError, match=message):
        HybridBatchSampler(dataset, 6)
