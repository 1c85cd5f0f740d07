"""Items from a parallel collection of ours, such as XQuAD-R and MLQA-R."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from datasets import Dataset

from mteb_hybrid.trainers.data.builders.patterns import by_pattern
from mteb_hybrid.trainers.data.texts import Block, Texts, narrow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mteb_hybrid.collections.base import LanguagePart, ParallelCollection


def collection_blocks(collection: ParallelCollection, languages: Iterable[str] | None) -> list[Block]:
    """One item for each question; with its n-th relevant passage in every language for n = 1, 2, ... where it has more.

    Raises:
        CollectionError: The collection does not have a language, or its file is unusable.
    """
    parts = [collection.load(language) for language in (collection.languages if languages is None else languages)]
    return part_blocks(parts, collection.name)


def part_blocks(parts: Iterable[LanguagePart], name: str) -> list[Block]:
    """The items of some languages that were read already."""
    rows = {}
    tables = {}
    for part in parts:
        found = [
            (query_id, number, query, part.passages[position])
            for query_id, query, positions in zip(part.query_ids, part.queries, part.relevant, strict=True)
            for number, position in enumerate(positions)
        ]
        rows[part.language] = {(query_id, number): row for row, (query_id, number, _, _) in enumerate(found)}
        tables[part.language] = Dataset.from_dict(
            {"query": [one[2] for one in found], "passage": [one[3] for one in found]}
        )
    items = list(dict.fromkeys(item for by_item in rows.values() for item in by_item))
    row = {
        language: np.array([by_item.get(item, -1) for item in items], dtype=np.int64)
        for language, by_item in rows.items()
    }
    blocks = []
    for pattern, members in by_pattern({("", language): row[language] >= 0 for language in row}, len(items)):
        here = sorted(language for _, language in pattern)
        rows_here = {language: narrow(row[language][members]) for language in here}
        texts = {
            role: {
                language: Texts(tables[language].select_columns([role]), role, rows_here[language]) for language in here
            }
            for role in ("query", "passage")
        }
        blocks.append(Block(len(members), texts["query"], texts["passage"], collection=name))
    return blocks
