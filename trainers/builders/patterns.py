"""Sorting items by the languages that they exist in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.errors import TrainingDataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

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
        raise TrainingDataError(f"{where}: {language!r} is no language code")
    return language
