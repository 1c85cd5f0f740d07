"""Tables of texts as MTEB holds them, in memory."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from datasets import Dataset

if TYPE_CHECKING:
    from collections.abc import Sequence


def table(columns: dict[str, Sequence[str]]) -> Dataset:
    """A table of columns by name.

    ``Dataset.from_dict`` works out a fingerprint of the rows as well, which takes longer than everything else and
    serves what is kept on disk: this is not, and has one that is drawn.
    """
    return Dataset(pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()}),
                   fingerprint=uuid.uuid4().hex)  # fmt: skip


class Columns:
    """The columns of tables as lists, each table read once: reading takes longer than most that is done with them."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[Dataset, dict[str, list[Any]]]] = {}

    def of(self, rows: Dataset) -> dict[str, list[Any]]:
        """All columns of a table by name; nobody may write to them."""
        if id(rows) not in self._read:
            self._read[id(rows)] = rows, rows[:]  # with the table itself: nothing else can be given its id
        return self._read[id(rows)][1]

    def clear(self) -> None:
        """Forget all of them."""
        self._read.clear()
