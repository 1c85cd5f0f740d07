"""What `mteb-hybrid export` writes is read back as a user's own collection."""

from __future__ import annotations

import tempfile
from pathlib import Path

import mteb
import pytest
from beir_folders import read
from collections_of_users import (
    _own_cache,  # noqa: F401 - for every test here
    judgments,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from mteb.abstasks.task_metadata import TaskMetadata

from mteb_hybrid.collections import LanguagePart, ParallelCollection, miniqa_r
from mteb_hybrid.collections.beir import BeirSource
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.export import export_beir
from mteb_hybrid.tasks import AbsTaskParallelRetrieval
from mteb_hybrid.tasks.settings import Setting, collection_subsets, subset_langs

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).map(str.strip).filter(bool)
LANGUAGES = ("de", "en", "fr")


@st.composite
def collections(draw) -> ParallelCollection:
    """Small collections of three languages with some question that can be answered."""
    questions = [f"q{number}" for number in range(draw(st.integers(1, 3)))]
    passages = {language: tuple(draw(st.lists(TEXTS, min_size=1, max_size=3))) for language in LANGUAGES}
    asked = {language: draw(st.sets(st.sampled_from(questions))) for language in LANGUAGES}
    asked["en"] |= {"q0"}
    grades = {
        (question, language, position): draw(st.sampled_from([0, 0, 1, 3]))
        for question in questions
        for language in LANGUAGES
        for position in range(len(passages[language]))
    }
    grades["q0", "en", 0] = 2
    parts = {}
    for language in LANGUAGES:
        places = {
            question: tuple(p for p in range(len(passages[language])) if grades[question, language, p])
            for question in questions
        }
        ids = [question for question in questions if question in asked[language]]
        parts[language] = LanguagePart(
            language=language,
            passages=passages[language],
            contexts=passages[language],
            query_ids=tuple(ids),
            queries=tuple(draw(TEXTS) for _ in ids),
            relevant=tuple(places[question] for question in ids),
            source="drawn",
            unasked={question: places[question] for question in questions if question not in ids},
            grades={(q, p): grade for (q, held, p), grade in grades.items() if held == language and grade > 1},
        )
    relevant = {(question, language) for (question, language, _), grade in grades.items() if grade}
    answers = {x: tuple(y for y in LANGUAGES if any((q, y) in relevant for q in asked[x])) for x in LANGUAGES}
    answers = {language: found for language, found in answers.items() if found}
    return ParallelCollection("drawn", "1", LANGUAGES, parts.__getitem__, answers)


def task_of(drawn: ParallelCollection, setting: Setting) -> AbsTaskParallelRetrieval:
    planned = collection_subsets(setting, drawn)
    metadata = TaskMetadata(
        name=f"Drawn{setting.value}", dataset={"path": "drawn", "revision": "1"}, description="", type="Retrieval",
        eval_langs=subset_langs(setting, planned), main_score="map",
    )  # fmt: skip
    content = {"metadata": metadata, "setting": setting, "collection": staticmethod(lambda: drawn)}
    return type("Drawn", (AbsTaskParallelRetrieval,), content)()


class TestExported:
    """What `mteb-hybrid export` writes is read back."""

    @pytest.mark.parametrize("setting", ["Monolingual", "Multilingual"])
    def test_miniqa_r(self, tmp_path, setting):
        """Both forms give the collection that was exported: texts in their order, questions, judgments."""
        export_beir(mteb.get_task(f"MiniQAR{setting}"), tmp_path)
        found = read(tmp_path)
        assert tuple(found) == miniqa_r().languages
        for language, part in found.items():
            expected = miniqa_r().load(language)
            assert part.passages == expected.passages
            assert part.query_ids == expected.query_ids
            assert part.queries == expected.queries
            assert part.relevant == expected.relevant

    def test_some_subsets_of_a_pooled_task(self, tmp_path):
        """One folder for German questions has all languages' passages, and asks in German."""
        export_beir(mteb.get_task("MiniQARMultilingual"), tmp_path, ["de"])
        collection = BeirSource.of("mine", tmp_path).collection()
        assert collection.languages == miniqa_r().languages
        assert collection.answers == {"de": miniqa_r().languages}

    def test_cross_lingual_subsets_are_no_languages(self, tmp_path):
        """They are refused, with what to export instead."""
        export_beir(mteb.get_task("MiniQARCrossLingual"), tmp_path, ["en-de"])
        with pytest.raises(
            CollectionError, match=r"'en-de' cannot name a subset.* export the Monolingual or the Multi"
        ):
            read(tmp_path)

    @settings(max_examples=25, deadline=None)
    @given(drawn=collections())
    def test_pooled_export_is_the_identity(self, drawn):
        """All passages, and all questions that something is relevant for, with grades in all languages."""
        with tempfile.TemporaryDirectory() as folder:
            export_beir(task_of(drawn, Setting.MULTILINGUAL), Path(folder))
            found = read(folder)
        parts = {language: drawn.load(language) for language in LANGUAGES}
        judged = {question for part in parts.values() for question, _, _ in part.judgments()}
        known = {question for part in parts.values() for question in part.query_ids} & judged
        assert set(found) == set(LANGUAGES)
        for language, part in parts.items():
            assert found[language].passages == part.passages
            assert dict(zip(found[language].query_ids, found[language].queries, strict=True)) == {
                question: text for question, text in zip(part.query_ids, part.queries, strict=True) if question in known
            }
            assert judgments(found[language]) == {one for one in judgments(part) if one[0] in known}

    @settings(max_examples=25, deadline=None)
    @given(drawn=collections())
    def test_monolingual_export_is_the_identity(self, drawn):
        """The same of each language that has something relevant for a question of its own, within the language."""
        task = task_of(drawn, Setting.MONOLINGUAL)
        with tempfile.TemporaryDirectory() as folder:
            export_beir(task, Path(folder))
            found = read(folder)
        assert set(found) == set(task.metadata.hf_subsets)
        for language, part in found.items():
            expected = drawn.load(language)
            kept = {
                question for question, positions in zip(expected.query_ids, expected.relevant, strict=True) if positions
            }
            assert part.passages == expected.passages
            assert dict(zip(part.query_ids, part.queries, strict=True)) == {
                q: text for q, text in zip(expected.query_ids, expected.queries, strict=True) if q in kept
            }
            assert judgments(part) == {one for one in judgments(expected) if one[0] in kept}
