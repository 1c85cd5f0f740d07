"""Items from a table with a row for each item and language: ``item``, ``language``, ``query``, ``passage``, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.builders.patterns import by_pattern, check_language
from mteb_hybrid.trainers.texts import Block, column_texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datasets import Dataset
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_NEEDED = ("item", "language", "query", "passage")


def long_blocks(dataset: Dataset, languages: Iterable[str] | None, name: str) -> list[Block]:
    """Items of a long table; columns that start with ``negative`` are negatives.

    Raises:
        TrainingDataError: A column is missing, an item or language is null, or an item has a language twice.
    """
    if missing := [column for column in _NEEDED if column not in dataset.column_names]:
        raise TrainingDataError(f"{name} has no column {missing[0]!r}; it has {', '.join(dataset.column_names)}")
    negatives = sorted(column for column in dataset.column_names if column.startswith("negative"))
    items, item = _codes(dataset, "item", name)
    names, language = _codes(dataset, "language", name)
    wanted = [check_language(one, name) for one in (names if languages is None else languages)]
    if unknown := [one for one in wanted if one not in names]:
        raise TrainingDataError(f"{name} has no language {unknown[0]!r}; it has {', '.join(sorted(names))}")
    kind = np.int32 if len(dataset) < 2**31 else np.int64
    row: dict[str, NDArray[Any]] = {}
    for one in sorted(wanted):
        rows = np.flatnonzero(language == names.index(one))
        row[one] = np.full(len(items), -1, dtype=kind)
        row[one][item[rows]] = rows
        twice = rows[row[one][item[rows]] != rows]
        if len(twice):
            raise TrainingDataError(
                f"{name}: item {items[item[twice[0]]]!r} has language {one!r} twice (row {twice[0]})"
            )
    texts = {column: column_texts(dataset, column) for column in ("query", "passage", *negatives)}

    blocks = []
    for pattern, members in by_pattern({("", one): row[one] >= 0 for one in row}, len(items)):
        here = sorted(one for _, one in pattern)
        if not here:
            continue

        def at(column: str, one: str, members: Ints = members) -> Any:
            return texts[column].select(row[one][members])

        blocks.append(
            Block(
                len(members),
                {one: at("query", one) for one in here},
                {one: at("passage", one) for one in here},
                {one: tuple(at(column, one) for column in negatives) for one in here} if negatives else {},
                collection=name,
            )
        )
    return blocks


def _codes(dataset: Dataset, column: str, name: str) -> tuple[list[Any], Ints]:
    """The distinct values of a column, and each row's as a position among them."""
    values = dataset.select_columns([column]).with_format("arrow")[:].column(column)
    if values.null_count:
        raise TrainingDataError(f"{name}: column {column!r} is null in {values.null_count} rows")
    encoded = pa.chunked_array(values).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
