"""The numbers of figures, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mteb_hybrid.reporting import ModelSummary
from mteb_hybrid.reporting.pooled import PooledQueries
from mteb_hybrid.reporting.views import CollectionView, distance_edges, language_matrix, mean_ranks, seen_scores


def summary(**settings) -> ModelSummary:
    return ModelSummary("a/b", "r", "XQuADR", settings)


def test_language_matrix():
    """Cross-lingual subsets by their two languages, monolingual ones on the diagonal, what was not run is absent."""
    found = language_matrix(
        summary(
            Monolingual={"de": {"map": 0.9}, "en": {"mrr": 0.1}},
            CrossLingual={"de-en": {"map": 0.5}, "en-th": {"map": 0.25}},
        )
    )
    assert (found.queries, found.passages) == (("de", "en"), ("de", "en", "th"))
    assert found.cells == {("de", "de"): 0.9, ("de", "en"): 0.5, ("en", "th"): 0.25}
    assert language_matrix(summary(Monolingual={"de": {"map": 0.9}})) is None


def test_mean_ranks():
    """Mean over query languages of the mean ranks; a language that some query languages lack is left out."""
    pooled = {
        "de": {"mean_rank_de": 1.0, "mean_rank_en": 4.0, "map": 0.1},
        "en": {"mean_rank_de": 3.0, "mean_rank_en": 2.0, "mean_rank_th": 9.0},
    }
    assert mean_ranks(summary(Multilingual=pooled)) == {"de": 2.0, "en": 3.0}
    assert mean_ranks(summary(Monolingual={"de": {"map": 0.9}})) == {}


def test_seen_scores():
    """Both sides of a cross-lingual subset count; the pool's passages are of all languages."""
    one = summary(
        Monolingual={"de": {"map": 0.8}, "en": {"map": 0.6}, "th": {"map": 0.2}},
        CrossLingual={"de-en": {"map": 0.5}, "en-de": {"map": 0.7}, "de-th": {"map": 0.3}, "th-de": {"map": 0.1}},
        Multilingual={"de": {"map": 0.4}, "th": {"map": 0.2}},
    )

    def found(setting):
        groups = seen_scores(one, ["de", "en", "fr"], setting, "map")
        return {sides: (len(group.subsets), pytest.approx(group.value)) for sides, group in groups.items()}

    assert found("Monolingual") == {("seen", "seen"): (2, 0.7), ("unseen", "unseen"): (1, 0.2)}
    assert found("CrossLingual") == {
        ("seen", "seen"): (2, 0.6), ("seen", "unseen"): (1, 0.3), ("unseen", "seen"): (1, 0.1),
    }  # fmt: skip
    assert found("Multilingual") == {("seen", "all"): (1, 0.4), ("unseen", "all"): (1, 0.2)}


def test_unseen_passages_of_seen_questions():
    """Questions in one language only, passages in three."""
    one = summary(CrossLingual={"en-de": {"map": 0.5}, "en-fr": {"map": 0.7}})
    found = seen_scores(one, ["en", "de"], "CrossLingual", "map")
    assert {sides: group.value for sides, group in found.items()} == {("seen", "seen"): 0.5, ("seen", "unseen"): 0.7}


def test_view():
    """Only models that have a figure's numbers are in it, every model has its place; one scale for all."""
    first = summary(CrossLingual={"de-en": {"map": 0.5}, "en-th": {"map": 0.25}})
    second = ModelSummary("c/d", "r", "XQuADR", {"Multilingual": {"de": {"map": 0.5, "mean_rank_tr": 2.0}}})
    view = CollectionView.of([first, second])
    assert view.models == ("a/b", "c/d")
    assert list(view.matrices) == ["a/b"]
    assert view.ranks == {"c/d": {"tr": 2.0}}
    assert view.scale() == (0.25, 0.5)
    assert view.languages() == ["de", "en", "th", "tr"]
    assert (view.distances, view.lists, view.pool_share()) == ({}, {}, {})
    perfect = CollectionView.of([summary(CrossLingual={"de-en": {"map": 1.0}, "en-de": {"map": 1.0}})])
    assert perfect.scale() == (0.0, 1.0)


@pytest.mark.parametrize("trained_on", [(), ("de", "en"), ("ru",)])
def test_nothing_is_unseen_where_all_languages_are_on_one_side(trained_on):
    """Whether all were trained on, or none."""
    one = summary(Monolingual={"de": {"map": 0.8}, "en": {"map": 0.6}})
    assert seen_scores(one, trained_on, "Monolingual", "map") == {}


def test_distance_edges():
    """Every distance that there can be lies in exactly one interval, perfect ones in the first."""
    pool = {"de": 500, "en": 700, "th": 34}
    model = PooledQueries("m", "r", "C", "1", "test", ("de",), pool, {"de": np.array([0, 1231])}, {})
    edges = distance_edges([model])
    assert edges == [-1, 0, 3, 10, 32, 100, 316, 1000, 1234]
    assert sum(model.distances_within(edges)) == pytest.approx(1)
