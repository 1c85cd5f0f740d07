"""Items from one data set of pairs for each language pair, such as a ``DatasetDict`` keyed ``en-de``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from datasets import concatenate_datasets

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.parsing import shown
from mteb_hybrid.trainers.data.builders.patterns import by_pattern, check_language, coded_column, holds_texts, present
from mteb_hybrid.trainers.data.language_pairs import split_pair
from mteb_hybrid.trainers.data.texts import Block, Texts, column_texts, narrow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasets import Dataset

_ITEM = "item"


def pair_blocks(datasets: Mapping[tuple[str, str] | str, Dataset], name: str) -> list[Block]:
    """Items of pairs: linked over the language pairs by column ``item``, else every row is an item of its own.

    The first column of texts holds queries, the second passages, further ones negatives; what holds no texts, such as a
    score, is left alone.

    Raises:
        TrainingDataError: A key is no language pair, columns differ, only some have ``item``, an item comes twice in
            one data set, or an item or negative is null.
    """
    tables = {split_pair(pair): dataset for pair, dataset in datasets.items() if len(dataset)}
    if not tables:
        raise TrainingDataError(f"{name}: there are no pairs; give at least one")
    for pair in tables:
        for language in pair:
            check_language(language, name)
    layouts = {tuple(dataset.column_names) for dataset in tables.values()}
    if len(layouts) > 1:
        raise TrainingDataError(f"{name}: all language pairs need the same columns; these have {sorted(layouts)}")
    found = layouts.pop()
    kinds = next(iter(tables.values())).features
    columns = [column for column in found if column != _ITEM and holds_texts(kinds[column])]
    if len(columns) < 2:
        raise TrainingDataError(
            f"{name}: a pair needs two columns of texts, a query and a passage; the columns are {', '.join(found)}"
        )
    for pair, dataset in tables.items():
        for column in columns[2:]:
            mask = present(column_texts(dataset, column))
            if mask is not None:
                raise TrainingDataError(
                    f"{name}: column {column!r} is null in {'-'.join(pair)}, row {mask.argmin()}: fill it, or leave "
                    "the column out"
                )
    linked = all(_ITEM in dataset.column_names for dataset in tables.values())
    return _linked(tables, columns, name) if linked else _alone(tables, columns, name)


def _alone(tables: Mapping[tuple[str, str], Dataset], columns: list[str], name: str) -> list[Block]:
    return [
        Block(
            len(dataset),
            {query: column_texts(dataset, columns[0])},
            {passage: column_texts(dataset, columns[1])},
            {passage: tuple(column_texts(dataset, column) for column in columns[2:])} if columns[2:] else {},
            collection=name,
        )
        for (query, passage), dataset in tables.items()
    ]


def _linked(tables: Mapping[tuple[str, str], Dataset], columns: list[str], name: str) -> list[Block]:
    try:
        merged = concatenate_datasets(list(tables.values()))
    except ValueError as error:  # columns of different types
        raise TrainingDataError(
            f"{name}: the language pairs must have columns of the same types, and do not fit together ({error})"
        ) from error
    texts = [column_texts(merged, column) for column in columns]
    items, item = coded_column(merged, _ITEM, f"{name}, all pairs in a row")
    row: dict[tuple[str, str], np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
    start = 0
    for pair, dataset in tables.items():
        here = item[start : start + len(dataset)]
        found, counts = np.unique(here, return_counts=True)
        if counts.max() > 1:
            raise TrainingDataError(
                f"{name}: item {shown(items[found[counts.argmax()]])} comes twice in {'-'.join(pair)}: leave one of "
                "them out"
            )
        for role, language in zip(("query", "passage"), pair, strict=True):
            rows = row.setdefault((role, language), np.full(len(items), -1, dtype=np.int64))
            new = rows[here] < 0  # an item's text in a language is the same in all pairs: the first one counts
            rows[here[new]] = start + np.flatnonzero(new)
        start += len(dataset)
    blocks = []
    for pattern, members in by_pattern({column: rows >= 0 for column, rows in row.items()}, len(items)):
        rows_here = {column: narrow(row[column][members]) for column in pattern}  # shared with the negatives
        queries, passages = (
            {
                language: Texts(at.dataset, at.column, rows_here[role, language])
                for one, language in sorted(pattern)
                if one == role
            }
            for role, at in zip(("query", "passage"), texts, strict=False)
        )
        negatives = {
            language: tuple(Texts(at.dataset, at.column, rows_here["passage", language]) for at in texts[2:])
            for language in passages
        }
        blocks.append(Block(len(members), queries, passages, negatives if texts[2:] else {}, collection=name))
    return blocks
