"""Summaries of several models: which results are one model's, and which averages compare."""

from __future__ import annotations

import dataclasses

import pytest
from subset_scores import one_subset

from mteb_hybrid.errors import ResultsError
from mteb_hybrid.reporting import ModelSummary, summarise
from mteb_hybrid.reporting.page import sections
from mteb_hybrid.reporting.results import SubsetScores
from mteb_hybrid.reporting.trained_on import trained_languages


def test_models_on_different_data_are_not_laid_side_by_side():
    """The message names both models' revisions of the data."""
    with pytest.raises(ResultsError, match="different data: revision 1, split test for a/b, and 2, split test for a/b"):
        summarise([*one_subset("r1", 3.0), *one_subset("r2", 5.0, data="2")])


def test_settings_on_different_data(caplog):
    """A warning; translations that were made for the same data are no other data."""
    rows = [
        SubsetScores("a/b", "r", (), "C", setting, "de", data, {"map": 0.5})
        for setting, data in (("Monolingual", "1"), ("CrossLingual", "1+translations-7"), ("Multilingual", "1"))
    ]
    summarise(rows)
    assert not caplog.records
    summarise([*rows[:2], dataclasses.replace(rows[2], data="2")])
    assert "a/b on C: the settings are of different data (revisions 1, 2)" in caplog.text


def test_two_results_of_one_subset():
    """The same twice is one; two different ones are an error."""
    (one,) = summarise([*one_subset("r1", 3.0), *one_subset("r1", 3.0)])
    assert one.mean("Multilingual", "mean_rank_de") == 3.0
    with pytest.raises(ResultsError, match="a/b@r1 has two different results of XQuADRMultilingual de"):
        summarise([*one_subset("r1", 3.0), *one_subset("r1", 5.0)])


def test_revisions_that_begin_alike():
    """The labels are as long as they must be."""
    both = summarise([*one_subset("refs-pr-1", 3.0), *one_subset("refs-pr-2", 5.0)])
    assert [one.label for one in both] == ["a/b@refs-pr-1", "a/b@refs-pr-2"]


def test_averages_over_other_subsets_are_not_compared():
    """Neither model is the best where one was run on half of the subsets, or trained on other languages."""

    def model(name, **values):
        return ModelSummary(
            name, "r", "XQuADR", {"Monolingual": {key: {"map": value} for key, value in values.items()}}
        )

    half, whole = model("a/half", en=0.9), model("b/whole", de=0.1, en=0.95)
    (section,) = sections([half, whole], trained_on={"a/half": ("de",), "b/whole": ("en",)})
    assert {cell.mark for row in section.summary.rows for cell in row} == {""}
    other = model("c/other", de=0.5, en=0.5)
    (section,) = sections([whole, other], trained_on={"b/whole": ("en",), "c/other": ("de",)})
    assert [row[1].mark for row in section.summary.rows] == ["best", "second"]
    assert {cell.mark for row in section.seen.rows for cell in row} == {""}
    (section,) = sections([whole, other], trained_on={"b/whole": ("en",), "c/other": ("en",)})
    assert {cell.mark for row in section.seen.rows for cell in row} == {"", "best", "second"}


def test_trained_languages(summaries):
    """As the card says; what the user says wins, and of one model over all models."""
    card = [ModelSummary("a/b", "r", "C", {"Monolingual": {"de": {}, "el": {}}}, languages=("de",))]
    both = [*card, ModelSummary("c/d", "r", "C", {"Monolingual": {"de": {}}})]
    assert trained_languages(both) == {"a/b": ("de",)}
    assert trained_languages(both, ["el, de"]) == {"a/b": ("el", "de"), "c/d": ("el", "de")}
    assert trained_languages(both, ["c/d=el", "de"]) == {"a/b": ("de",), "c/d": ("el",)}
    with pytest.raises(ResultsError, match="no result of a model 'x/y'"):
        trained_languages(both, ["x/y=de"])
    with pytest.raises(ResultsError, match="unknown language 'EL'; did you mean 'el'"):
        trained_languages(both, ["de,EL"])
    assert trained_languages(both, ["ja"]) == {"a/b": ("ja",), "c/d": ("ja",)}  # none of the results, but a language
