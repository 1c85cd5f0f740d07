"""The retrieval metrics of a recipe's evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.collections import LanguagePart
from mteb_hybrid.errors import MtebHybridError, RecipeError
from mteb_hybrid.trainers.evaluation.evaluator import ParallelRetrievalEvaluator
from mteb_hybrid.trainers.recipes.data import named_collection

if TYPE_CHECKING:
    from collections.abc import Callable

    from mteb_hybrid.trainers.data.parallel_dataset import ParallelDataset
    from mteb_hybrid.trainers.recipes.data import Views
    from mteb_hybrid.trainers.recipes.reading import Recipe


def build_evaluator(recipe: Recipe, views: Views) -> ParallelRetrievalEvaluator | None:
    """The evaluator on a named collection or on the held-out items; None if the recipe wants no retrieval metrics.

    Raises:
        RecipeError: The data does not define the metric.
        CollectionError: The collection is missing, or lacks a language.
    """
    evaluation = recipe.evaluation
    if evaluation is None or not evaluation.retrieves:
        return None
    options: dict[str, Any] = {
        "batch_size": evaluation.batch_size or recipe.training.batch_size,
        "max_queries": evaluation.max_queries,
        "max_passages": evaluation.max_passages,
        "main_metric": "multilingual_map" if evaluation.metric == "loss" else evaluation.metric,
    }
    try:
        if evaluation.collection is not None:
            collection = named_collection(evaluation.collection)
            return ParallelRetrievalEvaluator.from_collection(collection, evaluation.languages, **options)
        if views.held_out is None:  # the schema asks for one or the other
            raise RecipeError("evaluation.held_out: is missing")
        return ParallelRetrievalEvaluator(retrieval_parts(views.held_out), name="held-out", **options)
    except MtebHybridError:  # says itself what is wrong with the data
        raise
    except ValueError as error:
        raise RecipeError(f"evaluation: {error}") from error


def retrieval_parts(view: ParallelDataset) -> list[LanguagePart]:
    """Items as a collection to search in: their passages, each distinct text once, and their queries.

    A passage is relevant for a query if an item with that query's text has it: a question with several answers is
    asked once.

    Raises:
        RecipeError: No language has both queries and passages.
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
        raise RecipeError("evaluation: no language of the held-out items has both queries and passages")
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
                source="the held-out items",
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
