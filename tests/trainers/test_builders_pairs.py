"""Data sets of language pairs as training data."""

from __future__ import annotations

from collections import Counter

import pytest
from datasets import Dataset
from parallel_items import (
    Item,
    naive_groups,
    view_groups,
    view_rows,
)

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers import ParallelDataset


class TestPairs:
    """A data set for each language pair."""

    def test_linked_pairs_complete_each_other(self):
        """Items have the queries and passages of all their pairs, and so all combinations of these."""
        table = Dataset.from_dict({"question": ["q1 en", "q2 en"], "answer": ["p1 de", "p2 de"], "item": [1, 2]})
        back = Dataset.from_dict({"question": ["q2 de"], "answer": ["p2 en"], "item": [2]})
        made = ParallelDataset.from_dict({"en-de": table, ("de", "en"): back})
        items = [
            Item({"en": "q1 en"}, {"de": "p1 de"}),
            Item({"en": "q2 en", "de": "q2 de"}, {"de": "p2 de", "en": "p2 en"}),
        ]
        assert Counter(view_rows(made)) == Counter(row for one in items for row in one.rows())
        assert view_groups(made) == naive_groups(items)

    def test_columns_without_texts(self):
        """A score is no text of a row."""
        table = Dataset.from_dict({"score": [0.5], "question": ["q"], "id": [3], "answer": ["p"], "other": ["n"]})
        assert view_rows(ParallelDataset.from_dict({"en-de": table})) == [("q", "p", "n", "1")]

    def test_unlinked_pairs(self):
        """Every row is an item of its own, in its two languages only; equal texts still make them count as one."""
        made = ParallelDataset.from_dict(
            {
                "en-de": Dataset.from_dict({"a": ["q1 en", "q2 en"], "b": ["p1 de", "p2 de"]}),
                "en-fr": Dataset.from_dict({"a": ["q1 en"], "b": ["p1 fr"]}),
                "de-de": Dataset.from_dict({"a": [], "b": []}),
            }
        )
        assert made.num_items == 3
        rows = {("q1 en", "p1 de", "1"), ("q2 en", "p2 de", "1"), ("q1 en", "p1 fr", "1")}
        assert set(view_rows(made)) == rows
        assert len(view_groups(made)) == 2

    @pytest.mark.parametrize(
        ("tables", "message"),
        [
            ({}, "there are no pairs"),
            ({"en-de": {"a": [], "b": []}}, "there are no pairs"),
            ({"ende": {"a": ["q"], "b": ["p"]}}, "a language pair must be"),
            ({("en", "d e"): {"a": ["q"], "b": ["p"]}}, "'d e' is no language code"),
            ({"en-de": {"a": ["q"], "item": [1]}}, "a pair needs two columns of texts"),
            ({"en-de": {"a": ["q"], "score": [0.5]}}, "a pair needs two columns of texts.* are a, score"),
            ({"en-de": {"a": ["q"], "b": ["p"]}, "de-en": {"a": ["q"], "c": ["p"]}}, "need the same columns"),
            ({"en-de": {"a": ["q", "r"], "b": ["p", "s"], "item": [1, 1]}}, "item 1 comes twice in en-de"),
            ({"en-de": {"a": ["q", "r"], "b": ["p", "s"], "item": ["i", None]}}, "column 'item' is null in row 1"),
            (
                {"en-de": {"a": ["q"], "b": ["p"], "item": [1]}, "de-en": {"a": ["q"], "b": ["p"], "item": ["i"]}},
                "the language pairs must have columns of the same types",
            ),
            ({"en-de": {"a": ["q"], "b": [""]}}, "passage in 'de': row 0 has ''"),
            ({"en-de": {"a": ["q"], "b": ["p"], "c": [None]}}, "column 'c' is null in en-de, row 0"),
            ({"en-de": {"a": ["q"], "b": ["p"], "c": [" "]}}, "negative in 'de': row 0 has ' '"),
        ],
    )
    def test_errors(self, tables, message):
        """What does not fit is named."""
        with pytest.raises(TrainingDataError, match=message):
            ParallelDataset.from_dict({pair: Dataset.from_dict(columns) for pair, columns in tables.items()})
