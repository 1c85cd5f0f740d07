"""Users' own collections in BEIR's layout: what is read."""

from __future__ import annotations

import shutil

import mteb
import pytest
from beir_folders import read, write_english_questions, write_folder, write_languages, write_pooled
from collections_of_users import (
    _own_cache,  # noqa: F401 - for every test here
    judgments,
)
from datasets import Dataset
from mteb._create_dataloaders import create_dataloader
from mteb.languages import check_language_code
from mteb.types import PromptType

from mteb_hybrid.collections.beir import BeirSource
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.languages import FURTHER_SCRIPTS, LANGUAGE_SCRIPTS
from mteb_hybrid.trainers import ParallelDataset


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


def test_known_languages_are_those_of_mteb():
    """Every language that needs no script has a code that MTEB knows, and only one."""
    for code in (*LANGUAGE_SCRIPTS.values(), *FURTHER_SCRIPTS.values()):
        check_language_code(code)
    assert not LANGUAGE_SCRIPTS.keys() & FURTHER_SCRIPTS.keys()
