"""The view is a ``Dataset`` as far as training needs one, and says so where it is none."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections import Counter

import numpy as np
import pytest
from datasets import Dataset
from parallel_items import (
    FULL,
    MIXED,
    Item,
    all_rows,
    item,
    view,
    view_groups,
    view_rows,
    wide_table,
)
from torch.utils.data import DataLoader

from mteb_hybrid.trainers import ParallelDataset

ANSWERED = {
    "builder_name", "cache_files", "citation", "cleanup_cache_files", "dataset_size", "description",
    "download_checksums", "download_size", "format", "homepage", "info", "license", "size_in_bytes", "split",
    "supervised_keys", "version",
}  # fmt: skip
"""What the sample behind a view says of itself that is true of the view: nothing of it depends on the rows."""

TESTED = {
    "column_names", "data", "features", "num_columns", "num_rows", "select", "select_columns", "set_transform", "shape",
    "from_dict",
}  # fmt: skip
"""What is tested here or with the builders."""


@pytest.fixture(scope="module")
def made() -> ParallelDataset:
    return view(MIXED)


class TestDatasetMethods:
    """A method of Dataset does what it says for all rows, or raises TypeError; it never works on the sample."""

    @pytest.mark.parametrize(
        "name", [name for name in dir(Dataset) if not name.startswith("_") and name not in ANSWERED | TESTED]
    )
    def test_refused(self, name, made):
        """Said to be impossible, and what there is instead; this finds new methods of new versions too."""
        with pytest.raises(TypeError, match=rf"^{name}: the rows of a lazy view are not stored; select\(rows\)"):
            getattr(made, name)()  # a property raises before it is called

    @pytest.mark.parametrize("name", sorted(ANSWERED))
    def test_answered(self, name, made):
        """The same as for an empty Dataset."""
        empty = Dataset.from_dict({})
        if name == "cleanup_cache_files":
            assert made.cleanup_cache_files() == 0
        elif name == "info":
            assert made.info.features == made.features
        elif name == "format":
            assert made.format["columns"] == made.column_names
            assert made.format["type"] is None
        else:
            assert getattr(made, name) == getattr(empty, name)

    def test_data(self):
        """The one exception: the table of the sample, without which there is no Dataset."""
        assert view(MIXED).data.num_rows == len(view(MIXED))
        assert view([item(str(number), "de en fr") for number in range(500)]).data.num_rows == 1_000

    def test_from_list_of_the_class(self):
        """Constructors of Dataset that are no builders are refused on the class as well."""
        with pytest.raises(TypeError, match="from_list"):
            ParallelDataset.from_list([{"query": "a"}])

    def test_a_column(self):
        """A column would be as long as the view."""
        with pytest.raises(TypeError, match=r"view\[:100\]\['query'\]"):
            view(MIXED)["query"]

    def test_repr(self):
        """What there is, and no rows."""
        text = "6 items, languages de, en, fr, 28 rows of query, passage, label"
        assert repr(view(MIXED)) == f"ParallelDataset({text})"


def numbered(prefix: str, columns: dict) -> dict:
    return {**columns, "query": [f"{prefix}{text}" for text in columns["query"]]}


class Prefix:
    """A transform that can be pickled."""

    def __call__(self, columns: dict) -> dict:
        return numbered("Query: ", columns)


class TestCopies:
    """The trainer and its DataLoader copy, pickle and transform."""

    def test_transform(self):
        """It sees dicts of lists, for whatever is read; None takes it away."""
        made = view(MIXED)
        plain = made[:]
        made.set_transform(Prefix())
        assert made[:] == numbered("Query: ", plain)
        assert made[2]["query"] == f"Query: {plain['query'][2]}"
        assert made.__getitems__([1])[0]["query"].startswith("Query: ")
        assert isinstance(made._format_kwargs["transform"], Prefix)
        assert made.format["type"] == "custom"
        made.set_transform(None)
        assert made[:] == plain
        assert made.format["type"] is None

    @pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda made: pickle.loads(pickle.dumps(made))])
    def test_copy(self, copied):
        """A copy has the same rows, options and transform."""
        made = view([*MIXED, Item({"de": "query 0 de"}, {"de": "x"})], parallel=True)
        made.set_transform(Prefix())
        again = copied(made)
        assert type(again) is ParallelDataset
        assert again[:] == made[:]
        assert view_groups(again) == view_groups(made)
        assert again.column_names == made.column_names
        assert len(again.select_items(np.array([0]))) == len(made.select_items(np.array([0])))

    def test_pickle_of_a_table_on_disk(self, tmp_path):
        """What is mapped into memory goes by its path: a pickle does not grow with the texts."""
        items = [item(str(number), "de en") for number in range(2_000)]
        wide_table(items).save_to_disk(str(tmp_path / "table"))
        made = ParallelDataset.from_wide(Dataset.load_from_disk(str(tmp_path / "table")))
        pickled = pickle.dumps(made)
        assert pickle.loads(pickled)[17] == made[17]
        # the sample of 1,000 rows is in it, the table of 2,000 items in 2 languages and 2 roles is not
        assert len(pickled) < 100_000

    @pytest.mark.parametrize("workers", [0, 2])
    def test_data_loader(self, workers):
        """Worker processes read the same rows."""
        made = view(MIXED)
        batches = [[3, 0], [23], [5, 6, 7]]
        loader = DataLoader(made, batch_sampler=batches, collate_fn=list, num_workers=workers)
        assert list(loader) == [made.__getitems__(batch) for batch in batches]


class TestTables:
    """Texts stay where they are."""

    def test_a_complete_table_needs_no_rows(self):
        """Where all items have all languages no list of rows is kept, whatever the number of items."""
        made = view(FULL)
        (block,) = made.blocks
        several = [*block.queries.values(), *block.passages.values(), *itertools.chain(*block.negatives.values())]
        assert [texts.rows for texts in several] == [0] * 12
        assert made.training_rows.groups is None
        assert made.training_rows.order is None

    def test_nothing_is_copied(self, tmp_path):
        """The texts that are read are those of the file, mapped into memory."""
        wide_table(FULL).save_to_disk(str(tmp_path / "table"))
        table = Dataset.load_from_disk(str(tmp_path / "table"))
        made = ParallelDataset.from_wide(table)
        for texts in (made.blocks[0].queries["de"], made.blocks[0].negatives["fr"][1]):
            ours = texts.dataset.data.column(texts.column).chunk(0)
            theirs = table.data.column(texts.column).chunk(0)
            assert [one.address for one in ours.buffers() if one] == [one.address for one in theirs.buffers() if one]

    def test_formatted_and_selected_tables(self):
        """A table that was shuffled, selected from or formatted is read as it is seen."""
        order = [3, 1, 0]
        table = wide_table(MIXED).select(order).with_format("numpy")
        made = ParallelDataset.from_wide(table)
        assert Counter(view_rows(made)) == all_rows([MIXED[number] for number in order])
