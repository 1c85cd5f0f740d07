"""What a recipe evaluates on: held-out items as a collection, and its retrieval metrics."""

from __future__ import annotations

import pytest
from datasets import Dataset
from parallel_items import wide_table
from recipe_views import (
    ITEMS,
    MINI,
    _own_cache,  # noqa: F401 - for every test here
    recipe,
)

from mteb_hybrid.errors import RecipeError, TrainingDataError
from mteb_hybrid.trainers import ParallelDataset
from mteb_hybrid.trainers.evaluation.item_parts import item_parts
from mteb_hybrid.trainers.recipes.data import build_views
from mteb_hybrid.trainers.recipes.evaluation import build_evaluator


class TestRetrievalParts:
    """Held-out items as a collection to search in."""

    def test_items(self) -> None:
        """Every query has its passage, in each of its languages; questions are linked by item."""
        parts = {part.language: part for part in item_parts(ParallelDataset.from_wide(wide_table(ITEMS)))}
        assert list(parts) == ["de", "en", "es"]
        assert [len(part.queries) for part in parts.values()] == [12, 12, 4]
        assert set(parts["es"].query_ids) < set(parts["de"].query_ids) == set(parts["en"].query_ids)
        for part in parts.values():
            for query, positions in zip(part.queries, part.relevant, strict=True):
                assert [part.passages[place] for place in positions] == [query.replace("query", "passage")]

    def test_a_passage_of_two_questions(self) -> None:
        """It is one candidate, relevant for both."""
        table = Dataset.from_dict({"query_en": ["a", "b"], "passage_en": ["same", "same"]})
        (part,) = item_parts(ParallelDataset.from_wide(table))
        assert (part.passages, part.relevant) == (("same",), ((0,), (0,)))

    def test_a_question_with_two_passages(self) -> None:
        """It is asked once, in all languages, and both passages are right."""
        table = Dataset.from_dict(
            {
                "query_en": ["a", "a", "b"],
                "passage_en": ["one", "two", "three"],
                "query_de": ["ä", "ä", None],
                "passage_de": ["eins", "zwei", None],
            }
        )
        german, english = item_parts(ParallelDataset.from_wide(table))
        right = {
            query: (query_id, {english.passages[place] for place in positions})
            for query_id, query, positions in zip(english.query_ids, english.queries, english.relevant, strict=True)
        }
        assert {query: passages for query, (_, passages) in right.items()} == {"a": {"one", "two"}, "b": {"three"}}
        assert (german.queries, german.relevant) == (("ä",), ((0, 1),))
        assert german.query_ids == (right["a"][0],)

    def test_questions_that_are_the_same_by_way_of_others(self) -> None:
        """Items 0 and 1 share an English question, 1 and 2 a German one: all three are one question."""
        table = Dataset.from_dict(
            {
                "query_en": ["a", "a", "c"],
                "passage_en": ["p0", "p1", "p2"],
                "query_de": ["ä", "ö", "ö"],
                "passage_de": ["d0", "d1", "d2"],
            }
        )
        for part in item_parts(ParallelDataset.from_wide(table)):
            assert (len(part.queries), part.relevant) == (1, ((0, 1, 2),))

    def test_languages_with_one_half(self) -> None:
        """A language with queries only is not searched."""
        pairs = {"en-de": Dataset.from_dict({"q": ["a"], "p": ["eins"]})}
        with pytest.raises(TrainingDataError, match="no language of the items has both"):
            item_parts(ParallelDataset.from_dict(pairs))


class TestEvaluator:
    """Which retrieval metrics a recipe gets."""

    def test_none_for_the_loss(self) -> None:
        """The held-out loss needs no evaluator."""
        one = recipe([MINI], {"held_out": 8})
        assert build_evaluator(one, build_views(one)) is None

    def test_held_out(self) -> None:
        """A metric alone: on the held-out items."""
        one = recipe([MINI], {"held_out": 8, "metric": "multilingual_map"})
        evaluator = build_evaluator(one, build_views(one))
        assert evaluator is not None
        assert evaluator.primary_metric == "held-out_multilingual_map"
        assert evaluator.get_config_dict()["questions"] == 16

    def test_collection(self) -> None:
        """A collection by name, made small; a rank distance is better if it is lower."""
        evaluation = {"collection": "miniqa-r", "metric": "rank_distance", "languages": ["en", "tr"], "max_queries": 5}
        one = recipe([MINI], evaluation)
        evaluator = build_evaluator(one, build_views(one))
        assert evaluator is not None
        assert (evaluator.primary_metric, evaluator.greater_is_better) == ("miniqa-r_rank_distance", False)
        assert evaluator.get_config_dict()["questions"] == 10

    def test_languages_of_training(self) -> None:
        """Where none are named, a collection is searched in the languages that are trained on."""
        one = recipe([MINI], {"collection": "miniqa-r", "metric": "multilingual_map"}, sampler={"languages": ["de"]})
        evaluator = build_evaluator(one, build_views(one))
        assert evaluator is not None
        assert evaluator.get_config_dict()["questions"] == 48

    def test_beside_the_loss(self) -> None:
        """With a collection, retrieval metrics are logged though the loss decides."""
        one = recipe([MINI], {"held_out": 8, "collection": "miniqa-r"})
        evaluator = build_evaluator(one, build_views(one))
        assert evaluator is not None
        assert evaluator.name == "miniqa-r"

    def test_not_defined(self) -> None:
        """A metric that the data does not define: one language has no cross-lingual one."""
        one = recipe([MINI], {"held_out": 8, "metric": "cross_lingual_map", "languages": ["en"]})
        with pytest.raises(RecipeError, match=r"evaluation\.metric: main_metric must be one of"):
            build_evaluator(one, build_views(one))

    def test_a_language_twice(self) -> None:
        """The message is about the languages, not about the metric."""
        one = recipe([MINI], {"collection": "miniqa-r", "metric": "multilingual_map", "languages": ["en", "de", "en"]})
        with pytest.raises(RecipeError, match=r"evaluation\.languages: 'en' is there twice"):
            build_evaluator(one, build_views(one))
