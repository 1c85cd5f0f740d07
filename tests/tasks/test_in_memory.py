"""Tables of texts in memory, and their columns, which are read once."""

from __future__ import annotations

import weakref
from unittest.mock import patch

import datasets
import mteb
from encoders import CountingEncoder

from mteb_hybrid.tasks.in_memory import Columns, table


def test_columns_are_those_of_the_table():
    """Of tables with the same columns each has its own texts."""
    columns = Columns()
    one, other = table({"id": ["a", "b"], "text": ["x", "y"]}), table({"id": ["a", "b"], "text": ["x", "z"]})
    assert columns.of(one) == {"id": ["a", "b"], "text": ["x", "y"]}
    assert columns.of(other) == {"id": ["a", "b"], "text": ["x", "z"]}
    assert columns.of(one) is columns.of(one)


def test_another_table_in_the_same_memory_is_another_one():
    """A table that was read is kept, so that no later one can be taken for it."""
    columns = Columns()
    for number in range(100):
        assert columns.of(table({"id": [str(number)]})) == {"id": [str(number)]}


def test_cleared_columns_hold_no_table():
    """A task that has unloaded its data holds on to nothing."""
    columns, rows = Columns(), table({"id": ["a"]})
    columns.of(rows)
    seen = weakref.ref(rows)
    del rows
    assert seen() is not None
    columns.clear()
    assert seen() is None


def test_a_task_reads_each_table_once():
    """110 subsets have 11 tables of questions and 11 of passages."""
    task = mteb.get_task("MiniQARCrossLingual")
    task.load_data()
    tables = {id(split[part]) for split in splits(task) for part in ("queries", "corpus")}
    read: list[int] = []
    original = datasets.Dataset.__getitem__

    def noted(self, key):
        if id(self) in tables and isinstance(key, slice):
            read.append(id(self))
        return original(self, key)

    with patch.object(datasets.Dataset, "__getitem__", noted), patch.object(type(task), "unload_data"):
        mteb.evaluate(CountingEncoder(), task, cache=None, show_progress_bar=False, co2_tracker=False)
    assert sorted(read) == sorted(tables)
    assert len(tables) == 22


def splits(task):
    return [split for by_split in task.dataset.values() for split in by_split.values()]
