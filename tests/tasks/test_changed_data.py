"""Data of a task that does not fit together, as after changes by hand: the message names task and subset."""

from __future__ import annotations

import mteb
import pytest
from datasets import Dataset
from encoders import CountingEncoder

from mteb_hybrid.errors import CollectionError


def with_column(table, column, value):
    """The table with another value in its first row."""
    values = table[column]
    return table.remove_columns(column).add_column(column, [value, *values[1:]])


def of_nothing(table):
    return Dataset.from_dict({name: [] for name in table.column_names})


def unknown_passage(split):
    query = split["queries"]["id"][0]
    return split["relevant_docs"] | {query: {"gone" * 1000: 1}}


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("corpus", lambda split: of_nothing(split["corpus"]), "MiniQARMonolingual de: the corpus is empty"),
        ("queries", lambda split: of_nothing(split["queries"]), "MiniQARMonolingual de: there are no queries"),
        (
            "corpus",
            lambda split: with_column(split["corpus"], "id", split["corpus"]["id"][7]),
            r"MiniQARMonolingual de: passage id '\w{16}' is in the corpus 2 times; ids must differ",
        ),
        (
            "queries",
            lambda split: with_column(split["queries"], "id", split["queries"]["id"][7]),
            r"MiniQARMonolingual de: query id '.+' is there 2 times; ids must differ",
        ),
        (
            "relevant_docs",
            unknown_passage,
            r"MiniQARMonolingual de: passage 'gone[gone.]{,99}' is relevant for query .{,20}, and not in .* leave out",
        ),
    ],
)
def test_named(part, change, message):
    """Before any text is encoded."""
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    task.load_data()
    split = task.dataset["de"]["test"]
    split[part] = change(split)
    model = CountingEncoder()
    with pytest.raises(CollectionError, match=message):
        mteb.evaluate(model, task, cache=None, show_progress_bar=False, co2_tracker=False)
    assert not model.seen
