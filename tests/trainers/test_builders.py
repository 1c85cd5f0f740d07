"""Every form of training data becomes the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from built_collections import FULL, NEGATIVE, ROWS_OF_FULL, collection, part
from datasets import DatasetDict
from parallel_items import (
    long_table,
    naive_groups,
    pair_tables,
    view_groups,
    view_rows,
    wide_table,
    write_beir,
    write_mmarco,
)

from mteb_hybrid.trainers import ParallelDataset

ROWS_OF_NEGATIVE = {
    (query, passage, f"negative 0 {passage.removeprefix('passage ')}", cross) for query, passage, cross in ROWS_OF_FULL
}


def as_collection() -> ParallelDataset:
    parts = [part(code, {str(n): (f"passage {n} {code}",) for n in range(3)}) for code in ("de", "en")]
    return ParallelDataset.from_collection(collection(*parts))


def as_beir(folder) -> ParallelDataset:
    for code in ("de", "en"):
        write_beir(
            folder / code,
            {f"q{n}": f"query {n} {code}" for n in range(3)},
            {f"d{n}": f"passage {n} {code}" for n in range(3)},
            [(f"q{n}", f"d{n}", 1) for n in range(3)],
        )
    return ParallelDataset.from_beir(folder)


def as_mmarco(folder, **options) -> ParallelDataset:
    names = {"german": "de", "english": "en"}
    queries = {name: {n: f"query {n} {code}" for n in range(3)} for name, code in names.items()}
    passages = {
        name: {n: f"passage {n} {code}" for n in range(3)} | {n + 10: f"negative 0 {n} {code}" for n in range(3)}
        for name, code in names.items()
    }
    write_mmarco(folder, queries, passages, [(n, n, n + 10) for n in range(3)])
    return ParallelDataset.from_mmarco(folder, **options)


@pytest.mark.parametrize(
    "build",
    [
        lambda folder: as_collection(),
        lambda folder: ParallelDataset.from_wide(wide_table(FULL)),
        lambda folder: ParallelDataset.from_long(long_table(FULL)),
        lambda folder: ParallelDataset.from_dict(pair_tables(FULL, linked=True)),
        lambda folder: ParallelDataset.from_dict(DatasetDict(pair_tables(FULL, linked=False))),
        as_beir,
        lambda folder: as_mmarco(folder, negatives=0),
    ],
    ids=["collection", "wide", "long", "dict", "unlinked", "beir", "mmarco"],
)
def test_every_builder(build, tmp_path):
    """The same items in each form are the same rows, which are written out above; groups are those of the texts."""
    made = build(tmp_path)
    rows = view_rows(made)
    assert set(rows) == ROWS_OF_FULL
    assert len(rows) == 12
    assert view_groups(made) == naive_groups(FULL)
    assert made.column_names == ["query", "passage", "label"]


@pytest.mark.parametrize(
    "build",
    [
        lambda folder: ParallelDataset.from_wide(wide_table(NEGATIVE)),
        lambda folder: ParallelDataset.from_long(long_table(NEGATIVE)),
        lambda folder: ParallelDataset.from_dict(pair_tables(NEGATIVE, linked=True)),
        lambda folder: ParallelDataset.from_dict(pair_tables(NEGATIVE, linked=False)),
        as_mmarco,
    ],
    ids=["wide", "long", "dict", "unlinked", "mmarco"],
)
def test_every_builder_with_negatives(build, tmp_path):
    """A row has the negative in its passage's language."""
    made = build(tmp_path)
    assert set(view_rows(made)) == ROWS_OF_NEGATIVE
    assert made.column_names == ["query", "passage", "negative", "label"]


def test_labels_are_of_items_not_rows():
    """Labels of one item differ in the bit for different languages only."""
    made = ParallelDataset.from_wide(wide_table(FULL))
    labels = np.array(made[:]["label"]).reshape(3, 4)
    assert (labels >> 2 == np.arange(3)[:, None]).all()
    assert (labels & 3 == [0, 1, 1, 0]).all()
