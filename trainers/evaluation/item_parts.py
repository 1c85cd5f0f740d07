"""Training items as a collection to search in, for a measure on items that are held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.collections import LanguagePart
from mteb_hybrid.errors import TrainingDataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mteb_hybrid.trainers.data.parallel_dataset import ParallelDataset


def item_parts(view: ParallelDataset) -> list[LanguagePart]:
    """Items as a collection to search in: their passages, each distinct text once, and their queries.

    A passage is relevant for a query if an item with that query's text has it: a question with several answers is
    asked once.

    Raises:
        TrainingDataError: No language has both queries and passages.
    """
    texts: dict[tuple[str, str], list[str]] = {}
    rows: dict[tuple[str, str], list[int]] = {}
    start = 0
    for block in view.blocks:
        positions = np.arange(block.count)
        for role, by_language in (("query", block.queries), ("passage", block.passages)):
            for language, several in by_language.items():
                texts.setdefault((role, language), []).extend(several.read(positions))
                rows.setdefault((role, language), []).extend(range(start, start + block.count))
        start += block.count
    languages = sorted({language for role, language in texts if role == "query" and ("passage", language) in texts})
    if not languages:
        raise TrainingDataError(
            "no language of the items has both queries and passages to search: hold out items that are "
            "asked and answered in one language, or evaluate on a collection"
        )
    question = _questions(texts, rows)
    parts = []
    for language in languages:
        passages = list(dict.fromkeys(texts["passage", language]))
        place = {text: number for number, text in enumerate(passages)}
        relevant: dict[int, set[int]] = {}
        for item, text in zip(rows["passage", language], texts["passage", language], strict=True):
            relevant.setdefault(question(item), set()).add(place[text])
        queries: dict[int, str] = {}
        for item, text in zip(rows["query", language], texts["query", language], strict=True):
            queries.setdefault(question(item), text)
        parts.append(
            LanguagePart(
                language=language,
                passages=tuple(passages),
                contexts=tuple(passages),
                query_ids=tuple(str(item) for item in queries),
                queries=tuple(queries.values()),
                relevant=tuple(tuple(sorted(relevant.get(item, ()))) for item in queries),
                source="the items of a ParallelDataset",
            )
        )
    return parts


def _questions(texts: dict[tuple[str, str], list[str]], rows: dict[tuple[str, str], list[int]]) -> Callable[[int], int]:
    """The question of an item, as one of the items that share it: they have its text in some language."""
    other: dict[int, int] = {}

    def question(item: int) -> int:
        while item in other:
            item = other[item]
        return item

    first: dict[tuple[str, str], int] = {}
    for (role, language), items in rows.items():
        for item, text in zip(items, texts[role, language], strict=True) if role == "query" else ():
            one, two = question(item), question(first.setdefault((language, text), item))
            if one != two:
                other[max(one, two)] = min(one, two)
    return question
