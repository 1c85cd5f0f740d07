"""Subsets of the three settings and MTEB's filters on them."""

from __future__ import annotations

import mteb
import pytest

from mteb_hybrid.tasks import TASKS, XQuADRCrossLingual
from mteb_hybrid.tasks.settings import Setting, Subset, eval_langs, subsets

LANGUAGES = ("ar", "de", "en")


def test_monolingual_subsets():
    """One subset a language, searched in that language."""
    assert subsets(Setting.MONOLINGUAL, LANGUAGES)["de"] == Subset("de", ("de",))
    assert list(subsets(Setting.MONOLINGUAL, LANGUAGES)) == list(LANGUAGES)


def test_cross_lingual_subsets_are_ordered_pairs_query_first():
    """en-de has English questions and German passages; no language meets itself."""
    pairs = subsets(Setting.CROSS_LINGUAL, LANGUAGES)
    assert pairs["en-de"] == Subset("en", ("de",))
    assert len(pairs) == 6
    assert all(subset.query_language not in subset.passage_languages for subset in pairs.values())


def test_multilingual_pool_is_all_languages_and_its_language_that_of_the_query():
    """The pool never depends on a filter; the filter sees the query language alone."""
    assert subsets(Setting.MULTILINGUAL, LANGUAGES)["ar"] == Subset("ar", LANGUAGES)
    assert eval_langs(Setting.MULTILINGUAL, LANGUAGES)["ar"] == ["ara-Arab"]


MAP = dict.fromkeys(Setting, "map")
MIRACL_SCORES = {**dict.fromkeys(Setting, "ndcg_at_10"), Setting.CROSS_LINGUAL: "mrr_at_10"}
FAMILIES = {
    family: (main, split, dict(zip(Setting, counts, strict=True)))
    for family, main, split, counts in [
        ("MiniQAR", MAP, "test", (11, 110, 11)),
        ("XQuADR", MAP, "test", (11, 110, 11)),
        ("MLQAR", MAP, "test", (7, 42, 7)),
        ("MIRACL", MIRACL_SCORES, "dev", (18, 17, 18)),
    ]
}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.metadata.name)
def test_metadata_is_complete(task):
    """Every field that describes the data is filled, and the name follows from family and setting."""
    metadata = task.metadata
    for field in ("description", "reference", "date", "domains", "license", "annotations_creators", "sample_creation"):
        assert getattr(metadata, field), field
    assert metadata.bibtex_citation is not None
    family = metadata.name.partition(task.setting.value)[0]
    main, split, counts = FAMILIES[family]
    assert metadata.main_score == main[task.setting]
    assert metadata.eval_splits == [split]
    metadata._validate_metadata()
    assert len(metadata.hf_subsets) == counts[task.setting]


def test_xquad_r_says_that_humans_translated_it():
    """A maintainer of MTEB objects to machine translations; these are none, and the metadata says so."""
    assert "human translators" in XQuADRCrossLingual.metadata.description
    assert XQuADRCrossLingual.metadata.sample_creation == "human-translated"


def test_language_filter_keeps_every_pair_with_either_language():
    """-l eng deu: pairs with at least one of the two; the exclusive filter: pairs of just the two."""
    either = mteb.get_task("XQuADRCrossLingual", languages=["eng", "deu"])
    assert set(either.hf_subsets) == {
        f"{x}-{y}" for x in either_languages() for y in either_languages() if x != y and {x, y} & {"en", "de"}
    }
    both = mteb.get_task("XQuADRCrossLingual", languages=["eng", "deu"], exclusive_language_filter=True)
    assert set(both.hf_subsets) == {"en-de", "de-en"}
    assert mteb.get_task("XQuADRCrossLingual", hf_subsets=["en-de"]).hf_subsets == ["en-de"]


def test_language_filter_on_pooled_task_goes_by_query_language():
    """-l deu keeps the German questions and nothing else."""
    assert mteb.get_task("XQuADRMultilingual", languages=["deu"]).hf_subsets == ["de"]


def either_languages() -> list[str]:
    return sorted({subset.split("-")[0] for subset in XQuADRCrossLingual.metadata.hf_subsets})
