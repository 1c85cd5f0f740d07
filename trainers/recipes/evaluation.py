"""The retrieval metrics of a recipe's evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mteb_hybrid.collections import SHIPPED
from mteb_hybrid.errors import CollectionError, OptionError, RecipeError, TrainingDataError
from mteb_hybrid.trainers.evaluation.evaluator import ParallelRetrievalEvaluator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mteb_hybrid.trainers.recipes.data import Views
    from mteb_hybrid.trainers.recipes.reading import Recipe


def build_evaluator(recipe: Recipe, views: Views) -> ParallelRetrievalEvaluator | None:
    """The evaluator on a named collection or on the held-out items; None if the recipe wants no retrieval metrics.

    Raises:
        RecipeError: The collection is missing or lacks a language, or the data does not define the metric.
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
    key = "held_out" if evaluation.collection is None else "collection"
    try:
        if evaluation.collection is not None:
            collection = SHIPPED[evaluation.collection]()
            languages = _languages(recipe, views.train.languages, collection.languages)
            return ParallelRetrievalEvaluator.from_collection(collection, languages, **options)
        assert views.held_out is not None, "the schema asks for one or the other"
        return ParallelRetrievalEvaluator.from_dataset(views.held_out, name="held-out", **options)
    except RecipeError:
        raise
    except (CollectionError, TrainingDataError) as error:
        raise RecipeError(f"evaluation.{key}: {error}") from error
    except OptionError as error:  # the metric is the only one that the schema cannot check
        raise RecipeError(f"evaluation.metric: {error}") from error


def _languages(recipe: Recipe, trained: Sequence[str], there: Sequence[str]) -> list[str]:
    """Languages of a collection to evaluate on: those that the recipe names, else those that are trained on."""
    named = (recipe.evaluation.languages if recipe.evaluation else None) or ()
    if twice := [language for language in named if named.count(language) > 1]:
        raise RecipeError(f"evaluation.languages: {twice[0]!r} is there twice; name it once")
    asked = dict.fromkeys(named or recipe.sampler.languages or trained)
    languages = [language for language in asked if named or language in there]
    missing = [language for language in languages if language not in there]
    if missing or not languages:
        raise RecipeError(
            f"evaluation.languages: the collection has {', '.join(there)}, and not "
            f"{missing[0] if missing else ', '.join(trained)}: name some that it has"
        )
    return languages
