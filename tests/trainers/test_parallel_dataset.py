"""The lazy view has the rows that writing all of them out would give."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parallel_items import (
    FULL,
    MIXED,
    PATTERNS,
    Item,
    all_rows,
    item,
    long_table,
    naive_groups,
    view,
    view_groups,
    view_rows,
    wide_table,
)

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers import ParallelDataset
from mteb_hybrid.trainers.labels import label_item, label_parallel


class TestRows:
    """All rows, and each of them alone."""

    def test_items_that_lack_languages(self):
        """Every item in all pairs of its own languages and no others."""
        assert Counter(view_rows(view(MIXED))) == all_rows(MIXED)

    def test_order(self):
        """Item after item, of an item query language after query language."""
        assert view_rows(view(FULL)) == [row for one in FULL for row in one.rows()]

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.sets(st.sampled_from("abcd"), min_size=1), min_size=1, max_size=8))
    def test_any_patterns(self, patterns):
        """Whatever languages items have, and whatever other items have."""
        items = [item(str(number), " ".join(sorted(pattern))) for number, pattern in enumerate(patterns)]
        made = ParallelDataset.from_long(long_table(items))
        assert len(made) == sum(len(pattern) ** 2 for pattern in patterns)
        assert made.num_items == len(items)
        assert Counter(view_rows(made)) == all_rows(items)

    def test_queries_and_passages_in_different_languages(self):
        """A query without a passage in its language is paired with the passages of other languages."""
        items = [Item({"de": "q de"}, {"en": "p en", "fr": "p fr"}), Item({"en": "q2 en"}, {"en": "p2 en"})]
        assert Counter(view_rows(view(items))) == all_rows(items)

    def test_len(self):
        """The number of rows, in every way to ask for it."""
        made = view(MIXED)
        expected = sum(len(pattern.split()) ** 2 for pattern in PATTERNS)
        assert len(made) == made.num_rows == expected
        assert made.shape == (expected, 3)
        assert made.num_columns == 3

    def test_columns(self):
        """Texts and ``label``; languages and items are in no row, because every column would be tokenized."""
        made = view(FULL)
        names = ["query", "passage", "negative_1", "negative_2", "label"]
        assert made.column_names == list(made[0]) == list(made[:2]) == list(made.features) == names
        assert view(MIXED).column_names == ["query", "passage", "label"]
        assert view([item("a", "de en", negatives=1)]).column_names == ["query", "passage", "negative", "label"]

    @pytest.mark.parametrize("key", [0, 5, -1, -35, np.int64(7), np.array(3)])
    def test_one(self, key):
        """A row is a dict of plain texts and an int; negative numbers count from the end."""
        made = view(FULL)
        row = made[key]
        assert [type(value) for value in row.values()] == [str, str, str, str, int]
        assert row == {name: values[int(key)] for name, values in made[:].items()}

    @pytest.mark.parametrize(
        "key", [slice(3, 9), slice(None, None, -5), slice(30, 99), slice(5, 5), slice(-4, None), slice(9, 3)]
    )
    def test_slice(self, key):
        """A dict of lists, as slices of lists are; also an empty one."""
        made = view(FULL)
        assert made[key] == {name: values[key] for name, values in made[:].items()}

    @pytest.mark.parametrize("kind", [list, tuple, np.array, lambda rows: np.array(rows, dtype=np.int32)])
    def test_several(self, kind):
        """A dict of lists in the order asked for, numbers from the end and numbers twice among them."""
        made = view(FULL)
        rows = [7, 0, -1, 7, 35]
        assert made[kind(rows)] == {name: [values[row] for row in rows] for name, values in made[:].items()}
        assert made[range(3)] == made[:3]
        assert made[[]] == {name: [] for name in made.column_names}

    def test_getitems(self):
        """What a DataLoader asks for: a dict for each row."""
        made = view(MIXED)
        assert made.__getitems__([3, 0, -1]) == [made[3], made[0], made[-1]]

    def test_iteration(self):
        """All rows in order, over more than one read."""
        items = [item(str(number), "de en fr") for number in range(150)]
        made = view(items)
        assert len(made) > 1_000
        assert list(made) == made.__getitems__(list(range(len(made))))

    @pytest.mark.parametrize("key", [36, -37, [0, 36], np.array([-37]), 10**12])
    def test_out_of_range(self, key):
        """A number that is no row's is an IndexError, which also ends old-style iteration."""
        with pytest.raises(IndexError, match="is not among 36 rows"):
            view(FULL)[key]

    @pytest.mark.parametrize("key", [1.5, [0.5], True, [True, False], None, "query", [[0, 1]], {0, 1}])
    def test_no_row_number(self, key):
        """What is no whole number is refused, and not taken for one."""
        with pytest.raises(TypeError):
            view(FULL)[key]


class TestLabels:
    """Which item a row is of, and whether it crosses languages; the latter is part of `view_rows`."""

    def test_items_that_share_nothing(self):
        """As many items in the labels as there are, and each item's rows have the same."""
        assert view_groups(view(MIXED)) == naive_groups(MIXED)

    def test_items_that_share_a_text(self):
        """They have one item in their labels, over languages, roles and collections."""
        items = [
            Item({"de": "a"}, {"de": "b"}),
            Item({"en": "c"}, {"en": " a\n"}),
            Item({"de": "d", "en": "e"}, {"de": "f", "en": "c"}),
            Item({"de": "g"}, {"de": "h"}),
        ]
        assert len(naive_groups(items)) == 2
        assert view_groups(view(items)) == naive_groups(items)
        joined = ParallelDataset.join([view(items[:1], name="one"), view(items[1:], name="two")])
        assert view_groups(joined) == naive_groups(items)

    def test_shared_negatives_join_nothing(self):
        """Negatives are no item's own text."""
        items = [Item({"de": f"q{n}"}, {"de": f"p{n}"}, {"de": ["same"]}) for n in range(3)]
        assert len(view_groups(view(items))) == 3

    @pytest.mark.parametrize("bad", ["", " \n"])
    def test_blank_text(self, bad):
        """A text that is blank is named with collection, role, language and row."""
        items = [item("0", "de en"), Item({"de": "q", "en": bad}, {"de": "p", "en": "e"})]
        with pytest.raises(TrainingDataError, match="mine, query in 'en': row 1 has"):
            view(items, name="mine")


class TestParallel:
    """Columns with the same item in another language."""

    def test_other_language_of_the_same_item(self):
        """Another of the item's languages where it has one; its own text where not; the same at every reading."""
        made = view(MIXED, parallel=True)
        assert made.column_names == ["query", "passage", "query_parallel", "passage_parallel", "label"]
        columns = made[:]
        assert columns == made[:]
        for row in made:
            for role in ("query", "passage"):
                # texts are "query <item> <language>"
                _, name, language = row[role].split()
                _, other_name, other_language = row[f"{role}_parallel"].split()
                languages = PATTERNS[int(name)].split()
                assert other_name == name
                assert other_language in languages
                assert (other_language == language) == (len(languages) == 1)
        rest = {name: values for name, values in columns.items() if not name.endswith(("parallel", "label"))}
        assert rest == {name: values for name, values in view(MIXED)[:].items() if name != "label"}

    def test_label(self):
        """The label says that the columns are there; items are as without them."""
        made, plain = view(MIXED, parallel=True), view(MIXED)
        assert {label_parallel(label) for label in made[:]["label"]} == {1}
        assert {label_parallel(label) for label in plain[:]["label"]} == {0}
        assert [label_item(one) for one in made[:]["label"]] == [label_item(one) for one in plain[:]["label"]]

    def test_prompts(self):
        """Every column of texts has one: that of queries, or that of passages and negatives."""
        assert view(FULL, parallel=True).prompts("q: ", "p: ") == {
            "query": "q: ", "passage": "p: ", "negative_1": "p: ", "negative_2": "p: ", "query_parallel": "q: ",
            "passage_parallel": "p: ",
        }  # fmt: skip

    def test_with_negatives(self):
        """They come after the negatives."""
        made = view(FULL, parallel=True)
        assert made.column_names[2:] == ["negative_1", "negative_2", "query_parallel", "passage_parallel", "label"]


def test_no_items():
    """Nothing to train on is said when the view is made."""
    with pytest.raises(TrainingDataError, match="no items"):
        ParallelDataset([])
    with pytest.raises(TrainingDataError, match="no items"):
        view([Item({"de": "q"}, {}), Item({}, {"de": "p"})])


def test_negatives_not_everywhere():
    """Languages with different numbers of negatives cannot be in one batch."""
    table = wide_table(FULL).remove_columns(["negative_2_fr"])
    with pytest.raises(TrainingDataError, match=r"equally many negatives.*2 in wide, .*but 1 in wide, fr"):
        ParallelDataset.from_wide(table)
