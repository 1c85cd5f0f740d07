"""Items from a table with a row for each item and language: ``item``, ``language``, ``query``, ``passage``, ..."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.parsing import shown
from mteb_hybrid.trainers.data.builders.patterns import by_pattern, check_language, coded_column, present
from mteb_hybrid.trainers.data.texts import Block, Texts, column_texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datasets import Dataset
    from numpy.typing import NDArray


_NEGATIVE = re.compile(r"negative(_\d+)?")
_NEEDED = ("item", "language", "query", "passage")


def long_blocks(dataset: Dataset, languages: Iterable[str] | None, name: str) -> list[Block]:
    """Items of a long table; ``negative`` or ``negative_1``, ``negative_2``, ... are negatives, others left alone.

    Raises:
        TrainingDataError: A column is missing, an item, language or negative is null, or an item has a language twice.
    """
    if missing := [column for column in _NEEDED if column not in dataset.column_names]:
        raise TrainingDataError(f"{name} has no column {missing[0]!r}; it has {', '.join(dataset.column_names)}")
    negatives = sorted((column for column in dataset.column_names if _NEGATIVE.fullmatch(column)), key=_by_number)
    items, item = coded_column(dataset, "item", name)
    names, language = coded_column(dataset, "language", name)
    wanted = [check_language(one, name) for one in (names if languages is None else languages)]
    if unknown := [one for one in wanted if one not in names]:
        raise TrainingDataError(f"{name} has no language {unknown[0]!r}; it has {', '.join(sorted(names))}")
    texts = {column: column_texts(dataset, column) for column in ("query", "passage", *negatives)}
    has = {column: present(texts[column]) for column in negatives}
    kind = np.int32 if len(dataset) < 2**31 else np.int64
    row: dict[str, NDArray[Any]] = {}
    for one in sorted(wanted):
        rows = np.flatnonzero(language == names.index(one))
        row[one] = np.full(len(items), -1, dtype=kind)
        row[one][item[rows]] = rows
        twice = rows[row[one][item[rows]] != rows]
        if len(twice):
            raise TrainingDataError(
                f"{name}: item {shown(items[item[twice[0]]])} has language {one!r} twice (row {twice[0]}): leave "
                "one of them out"
            )
        for column, mask in has.items():
            if mask is not None and not mask[rows].all():
                raise TrainingDataError(
                    f"{name}: column {column!r} is null in row {rows[~mask[rows]][0]}: fill it, or leave the column out"
                )
    blocks = []
    for pattern, members in by_pattern({("", one): row[one] >= 0 for one in row}, len(items)):
        here = sorted(one for _, one in pattern)
        if not here:
            continue

        rows_here = {one: row[one][members] for one in here}  # shared by all columns

        def at(column: str, one: str, rows: dict[str, NDArray[Any]] = rows_here) -> Texts:
            return Texts(texts[column].dataset, column, rows[one])

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


def _by_number(column: str) -> tuple[int, str]:
    """Puts ``negative_2`` before ``negative_10``."""
    return len(column), column
