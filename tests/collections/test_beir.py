"""Users' own collections in BEIR's layout: what is read, aligned and refused."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import mteb
import pytest
from beir_folders import read, write_english_questions, write_folder, write_languages, write_pooled
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from mteb._create_dataloaders import create_dataloader
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.languages import check_language_code
from mteb.types import PromptType

from mteb_hybrid.collections import LanguagePart, ParallelCollection, beir, miniqa_r
from mteb_hybrid.collections.beir import BeirSource
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.export import export_beir
from mteb_hybrid.languages import FURTHER_SCRIPTS, LANGUAGE_SCRIPTS
from mteb_hybrid.tasks import AbsTaskParallelRetrieval
from mteb_hybrid.tasks.settings import Setting, collection_subsets, subset_langs
from mteb_hybrid.trainers import ParallelDataset


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))


def judgments(part: LanguagePart) -> set[tuple[str, int, int]]:
    return set(part.judgments())


class TestReading:
    """What a collection is after it was read."""

    def test_a_folder_for_each_language(self, tmp_path):
        """Questions are aligned by id; grades, titles and questions that a language lacks are as written by hand."""
        found = read(write_languages(tmp_path))
        assert list(found) == ["de", "en"]
        assert found["en"].passages == ("Tea is drunk hot.", "Cats sleep a lot.", "Snow")
        assert found["de"].passages == ("Katzen schlafen viel.", "Tee trinkt man heiß.")
        assert dict(zip(found["de"].query_ids, found["de"].queries, strict=True)) == {
            "q1": "Was trinkt man heiß?", "q2": "Wer schläft viel?", "q3": "Was trinkt man?",
        }  # fmt: skip
        assert found["en"].query_ids == ("q1", "q2")
        assert judgments(found["en"]) == {("q1", 0, 2), ("q2", 1, 1)}
        assert judgments(found["de"]) == {("q1", 1, 1), ("q2", 0, 1), ("q3", 1, 3)}
        assert found["en"].unasked == {"q3": ()}
        assert found["de"].unasked == {}

    def test_one_pooled_folder(self, tmp_path):
        """The same collection in one folder reads the same; what is relevant for a query is so for its translations."""
        apart, pooled = read(write_languages(tmp_path / "apart")), read(write_pooled(tmp_path / "pooled"))
        assert apart.keys() == pooled.keys()
        for language, part in apart.items():
            other = pooled[language]
            assert other.passages == part.passages
            assert set(zip(other.query_ids, other.queries, strict=True)) == set(
                zip(part.query_ids, part.queries, strict=True)
            )
            assert judgments(other) == judgments(part)

    def test_folders_may_lie_anywhere(self, tmp_path):
        """A mapping names them, whatever they are called."""
        write_languages(tmp_path)
        (tmp_path / "en").rename(tmp_path / "English texts")
        found = read({"de": tmp_path / "de", "en": str(tmp_path / "English texts")})
        assert found["en"].passages[1] == "Cats sleep a lot."

    def test_other_folders_are_left_alone(self, tmp_path):
        """What is neither called by a language nor has a corpus is no language."""
        write_languages(tmp_path)
        (tmp_path / "sources").mkdir()
        (tmp_path / ".git").mkdir()
        assert list(read(tmp_path)) == ["de", "en"]

    def test_english_questions_only(self, tmp_path):
        """Passages without questions, questions without passages, and passages that nothing is relevant in."""
        source = BeirSource.of("mine", write_english_questions(tmp_path))
        collection = source.collection()
        assert collection.languages == ("de", "fr", "ru")
        assert collection.query_languages == ("en",)
        assert collection.answers == {"en": ("de", "fr")}
        found = read(tmp_path)
        assert found["en"].passages == ()
        assert found["fr"].queries == ()
        assert judgments(found["fr"]) == {("q1", 1, 1), ("q2", 0, 1)}
        assert judgments(found["ru"]) == set()
        with pytest.raises(CollectionError, match="has no language 'th'; it has de, fr, ru, en"):
            collection.load("th")

    def test_languages_to_keep(self, tmp_path):
        """Passages, questions and judgments of other languages are gone; judgments of theirs are no errors."""
        found = read(write_pooled(tmp_path), languages=["en"])
        assert list(found) == ["en"]
        assert judgments(found["en"]) == {("q1", 0, 2), ("q2", 1, 1)}
        assert found["en"].unasked == {}

    def test_another_split(self, tmp_path):
        """Each split has its own judgments."""
        write_languages(tmp_path)
        for language in ("de", "en"):
            shutil.copy(tmp_path / language / "qrels" / "test.tsv", tmp_path / language / "qrels" / "dev.tsv")
        (tmp_path / "en" / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq2\ta\t1\n")
        assert judgments(read(tmp_path, split="dev")["en"]) == {("q2", 0, 1)}

    def test_a_language_of_the_users_own(self, tmp_path):
        """Its code in MTEB is all that is needed."""
        write_languages(tmp_path)
        (tmp_path / "de").rename(tmp_path / "gsw")
        assert list(read(tmp_path, scripts={"gsw": "gsw-Latn"})) == ["en", "gsw"]

    def test_line_ends_marks_and_blank_lines(self, tmp_path):
        """Files as Windows writes them read the same; U+2028 within a text ends no line."""
        before = read(write_languages(tmp_path))
        for path in tmp_path.rglob("*.*"):
            if path.suffix in (".jsonl", ".tsv"):
                path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n \r\n")
        assert read(tmp_path) == before
        document, query = {"_id": "a", "text": "a\u2028b"}, {"_id": "q", "text": "b"}
        folder = write_folder(tmp_path / "x" / "en", [document], [query], [("q", "a", 1)])
        assert read(folder.parent)["en"].passages == ("a\u2028b",)

    def test_texts_are_those_that_mteb_encodes(self, tmp_path):
        """MTEB's own loader makes the same text of title and text."""
        rows = [
            {"id": str(number), "title": title, "text": text}
            for number, (title, text) in enumerate(
                [("Tea", "is hot."), ("", " white  space "), ("Snow", ""), ("A title ", "and a text"), ("a\n", "b")]
            )
        ]
        folder = write_folder(
            tmp_path / "en", [{"_id": row["id"], **row} for row in rows], [{"_id": "q", "text": "?"}], [("q", "0", 1)]
        )
        metadata = mteb.get_task("MiniQARMonolingual").metadata
        loader = create_dataloader(
            Dataset.from_list(rows), task_metadata=metadata, prompt_type=PromptType.document, batch_size=9
        )
        assert list(read(folder.parent)["en"].passages) == next(iter(loader))["text"]

    def test_training_data_of_it(self, tmp_path):
        """Trainers take the questions that a language asks with their passages in it, and none that it does not ask."""
        collection = BeirSource.of("mine", write_languages(tmp_path)).collection()
        data = ParallelDataset.from_collection(collection)
        rows = data.restrict(["de"])[:]
        assert set(zip(rows["query"], rows["passage"], strict=True)) == {
            ("Was trinkt man heiß?", "Tee trinkt man heiß."), ("Wer schläft viel?", "Katzen schlafen viel."),
            ("Was trinkt man?", "Tee trinkt man heiß."),
        }  # fmt: skip
        assert len(data.restrict(["en"])) == 2


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


class TestRevision:
    """What results are filed under, and how often files are read for it."""

    def test_content_decides(self, tmp_path):
        """Another place or time: the same revision. Another text, split or choice of languages: another one."""
        first = write_pooled(tmp_path / "first")
        second = shutil.copytree(first, tmp_path / "second")
        os.utime(second / "corpus.jsonl", (1, 1))
        shutil.copy(second / "qrels" / "test.tsv", second / "qrels" / "dev.tsv")

        def revision(folder, **options):
            return BeirSource.of("mine", folder, **options).survey().revision

        assert revision(first) == revision(second)
        revisions = [revision(second), revision(second, split="dev"), revision(second, languages=["en"])]
        for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
            with (second / name).open("a") as file:
                file.write("\n")
            revisions.append(revision(second))
        assert len(set(revisions)) == len(revisions)
        assert revision(second, revision="v2") == "v2"

    def test_one_folder_however_it_is_named(self, tmp_path, monkeypatch):
        """Absolute, relative, by a detour or a link: the same source."""
        write_languages(tmp_path / "data")
        (tmp_path / "cards").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "data")
        monkeypatch.chdir(tmp_path)
        names = ["data", "cards/../data", "link", tmp_path / "data"]
        assert len({BeirSource.of("mine", name) for name in names}) == 1
        assert len({BeirSource.of("mine", {"en": Path(name) / "en"}) for name in names}) == 1

    def test_counts(self, tmp_path):
        """Passages and questions of each language that is kept, as written by hand."""
        write_english_questions(tmp_path)
        assert BeirSource.of("mine", tmp_path).survey().counts == {
            "de": (1, 0), "en": (0, 2), "fr": (2, 0), "ru": (1, 0),
        }  # fmt: skip
        assert BeirSource.of("mine", tmp_path, languages=["en", "fr"]).survey().counts == {"en": (0, 2), "fr": (2, 0)}

    def test_files_are_read_once_for_each_state(self, tmp_path, monkeypatch):
        """Until a file changes nothing is read again; then it is, and is found at fault if it is."""
        monkeypatch.setattr(beir, "_SETTLED", -1e9)
        source = BeirSource.of("mine", write_pooled(tmp_path))
        first = source.survey()
        with monkeypatch.context() as patched:
            patched.setattr(beir, "read_parts", None)
            assert source.survey() == first
        (tmp_path / "corpus.jsonl").write_text("nothing\n")
        with pytest.raises(CollectionError, match="is not JSON"):
            source.survey()

    def test_a_file_that_has_just_changed_is_read_again(self, tmp_path):
        """Its next change could leave size and time as they are."""
        source = BeirSource.of("mine", write_pooled(tmp_path))
        source.survey()
        assert not (tmp_path / "cache").exists()

    def test_a_damaged_cache_costs_time_only(self, tmp_path, monkeypatch):
        """What is no survey is made again."""
        monkeypatch.setattr(beir, "_SETTLED", -1e9)
        source = BeirSource.of("mine", write_pooled(tmp_path))
        first = source.survey()
        (kept,) = (tmp_path / "cache" / "beir").iterdir()
        for content in ("", "[]", '{"revision": "1"}'):
            kept.write_text(content)
            assert source.survey() == first

    def test_a_cache_that_cannot_be_written_costs_time_only(self, tmp_path, monkeypatch):
        """A file is where the cache folder should be."""
        monkeypatch.setattr(beir, "_SETTLED", -1e9)
        (tmp_path / "cache").write_text("")
        assert BeirSource.of("mine", write_pooled(tmp_path)).survey().languages == ("de", "en")


def test_known_languages_are_those_of_mteb():
    """Every language that needs no script has a code that MTEB knows, and only one."""
    for code in (*LANGUAGE_SCRIPTS.values(), *FURTHER_SCRIPTS.values()):
        check_language_code(code)
    assert not LANGUAGE_SCRIPTS.keys() & FURTHER_SCRIPTS.keys()


class TestLanguagePart:
    """What the optional fields must hold."""

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"unasked": {"q1": (0,)}}, "question 'q1' is asked, and in unasked"),
            ({"unasked": {"": (0,)}}, "has an empty id"),
            ({"unasked": {"q2": (1,)}}, r"question 'q2' must lie in \[0, 1\), not at 1; .* are \(1,\)"),
            ({"relevant": ((0, 0),)}, r"question 'q1' must be named once each; their positions are \(0, 0\)"),
            ({"grades": {("q1", 1): 2}}, "passage 1 has grade 2 for question 'q1'"),
            ({"grades": {("q1", 0): 0}}, "passage 0 has grade 0"),
            ({"query_ids": (), "queries": (), "relevant": ()}, "1 passages and 0 questions: there is nothing to ask"),
        ],
    )
    def test_inconsistent_parts(self, changes, message):
        """Each is refused."""
        whole = {
            "language": "de", "passages": ("Eins.",), "contexts": ("Eins.",), "query_ids": ("q1",), "queries": ("?",),
            "relevant": ((0,),), "source": "by hand",
        }  # fmt: skip
        LanguagePart(**whole)
        with pytest.raises(CollectionError, match=message):
            LanguagePart(**{**whole, **changes})
