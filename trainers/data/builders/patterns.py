"""Sorting items by the languages that they exist in, and what builders ask of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datasets import Dataset
    from numpy.typing import NDArray

    from mteb_hybrid.trainers.data.texts import Texts

    Column = tuple[str, str]


def by_pattern(
    has: Mapping[Column, NDArray[np.bool_] | None], items: int
) -> Iterator[tuple[set[Column], NDArray[np.int64]]]:
    """Items that have the same columns, pattern by pattern.

    Args:
        has: For each column, by role and language, which items have a text in it, bool of shape (items,); None: all.
        items: Number of items.

    Yields:
        The columns of a pattern, and its items, ascending, int64.
    """
    partial = {column: mask for column, mask in has.items() if mask is not None}
    full = set(has) - set(partial)
    pattern = np.zeros(items, dtype=np.int64)
    for mask in partial.values():  # numbered anew after each column: the number of patterns stays that of real ones
        _, pattern = np.unique(pattern * 2 + mask, return_inverse=True)
    if not partial:
        yield full, np.arange(items)
        return
    order = np.argsort(pattern, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(pattern[order]) > 0))
    for members in np.split(order, starts[1:]):
        yield full | {column for column, mask in partial.items() if mask[members[0]]}, members


def check_language(language: str, where: str) -> str:
    """A language code as it is written, or an error.

    Raises:
        TrainingDataError: It is no text, empty, or has white space in it.
    """
    if not isinstance(language, str) or not language or any(sign.isspace() for sign in language):
        raise TrainingDataError(
            f"{where}: {shown(language)} is no language code; write one such as 'de', without blanks"
        )
    return language


def present(texts: Texts) -> NDArray[np.bool_] | None:
    """Which rows hold a text; None if all do."""
    if texts.dataset._indices is None:  # noqa: SLF001 - whether rows are those of the table
        column = texts.dataset.data.column(texts.column)
        if column.null_count == 0:
            return None
        mask: NDArray[np.bool_] = pc.is_valid(column).to_numpy()
        return mask
    mask = np.array([text is not None for chunk in texts.chunks(len(texts.dataset)) for text in chunk], dtype=np.bool_)
    return None if mask.all() else mask


def holds_texts(kind: Any) -> bool:
    """Whether a column of this ``datasets`` feature holds texts; one of nulls alone should."""
    return getattr(kind, "dtype", None) in ("string", "large_string", "string_view", "null")


def coded_column(dataset: Dataset, column: str, name: str) -> tuple[list[Any], NDArray[np.int64]]:
    """The distinct values of a column, and each row's as a position among them, int64 of shape (rows,).

    Raises:
        TrainingDataError: A value is null.
    """
    values = dataset.select_columns([column]).with_format("arrow")[:].column(column)
    if values.null_count:
        first = int(np.argmax(pc.is_null(values).to_numpy()))
        raise TrainingDataError(
            f"{name}: column {column!r} is null in row {first} ({values.null_count} such rows); each row needs one"
        )
    encoded = pa.chunked_array(values).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
