"""Every way in which a folder in BEIR's layout can be wrong, and what is said about it."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest
from beir_folders import read, write_languages, write_pooled
from mteb.languages import check_language_code

from mteb_hybrid.errors import CollectionError
from mteb_hybrid.languages import check_language


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))


def append(name: str, line: str):
    def change(root: Path) -> None:
        with (root / name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return change


def replace(name: str, text: str | bytes):
    def change(root: Path) -> None:
        for path in root.glob(name):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return change


def remove(name: str):
    def change(root: Path) -> None:
        (root / name).unlink()

    return change


def rename(name: str, other: str):
    def change(root: Path) -> None:
        (root / name).rename(root / other)

    return change


HEADER = "query-id\tcorpus-id\tscore\n"
IN_FOLDERS = [
    ("no corpus", remove("de/corpus.jsonl"), "de/corpus.jsonl is missing; a folder in BEIR's layout must have"),
    ("no queries", remove("de/queries.jsonl"), "de/queries.jsonl is missing"),
    ("no split", rename("de/qrels/test.tsv", "de/qrels/tset.tsv"), "de has no split 'test'; did you mean 'tset'?"),
    ("other splits", rename("de/qrels/test.tsv", "de/qrels/a.tsv"), "de has no split 'test'; there are a"),
    ("no judgments", lambda root: shutil.rmtree(root / "de/qrels"), "de/qrels/test.tsv is missing"),
    (
        "no JSON",
        append("de/corpus.jsonl", "{'_id': 1}"),
        "de/corpus.jsonl, line 3 must be a JSON object, and is not JSON",
    ),
    ("no object", append("de/corpus.jsonl", '["a"]'), "line 3 must be a JSON object, not"),
    ("no UTF-8", replace("de/corpus.jsonl", b'\n{"_id": "a", "text": "\xff"}\n'), "line 2 is not UTF-8"),
    (
        "lone surrogate",
        append("de/corpus.jsonl", '{"_id": "x", "text": "\\ud800"}'),
        "line 3: 'text' is no valid Unicode",
    ),
    ("no _id", append("de/corpus.jsonl", '{"text": "x"}'), "de/corpus.jsonl, line 3 has no '_id'"),
    ("empty _id", append("de/corpus.jsonl", '{"_id": "", "text": "x"}'), "line 3: '_id' is empty"),
    (
        "_id a number",
        append("de/corpus.jsonl", '{"_id": 3, "text": "x"}'),
        "line 3: '_id' must be text in quotes, not 3",
    ),
    ("no text", append("de/corpus.jsonl", '{"_id": "x"}'), "line 3 has no 'text'"),
    ("null text", append("de/corpus.jsonl", '{"_id": "x", "text": null}'), "line 3 has no 'text'"),
    (
        "blank text",
        append("de/corpus.jsonl", '{"_id": "x", "text": " ", "title": ""}'),
        "document 'x' has neither title nor text",
    ),
    (
        "title a list",
        append("de/corpus.jsonl", '{"_id": "x", "text": "x", "title": []}'),
        "'title' must be text in quotes",
    ),
    ("document twice", append("de/corpus.jsonl", '{"_id": "a", "text": "x"}'), "line 3: _id 'a' is on line 1 already"),
    ("empty corpus", replace("de/corpus.jsonl", "\n"), "de/corpus.jsonl has no document"),
    (
        "query twice",
        append("de/queries.jsonl", '{"_id": "q1", "text": "x"}'),
        "de/queries.jsonl, line 4: _id 'q1' is on line 2",
    ),
    (
        "question twice",
        append("de/queries.jsonl", '{"_id": "x", "text": "x", "question": "q1"}'),
        "line 4: question 'q1' is asked twice in 'de'",
    ),
    (
        "blank query",
        append("de/queries.jsonl", '{"_id": "x", "text": "  "}'),
        "de/queries.jsonl, line 4: 'text' is empty",
    ),
    (
        "document of another language",
        append("de/corpus.jsonl", '{"_id": "x", "text": "x", "language": "en"}'),
        "line 3: the document is in 'en', in the folder of 'de'",
    ),
    (
        "query of another language",
        append("de/queries.jsonl", '{"_id": "x", "text": "x", "language": "en"}'),
        "line 4: the query is in 'en', in the folder of 'de'",
    ),
    ("no header", replace("de/qrels/test.tsv", "q1\tb\t1\n"), "de/qrels/test.tsv, line 1 is a judgment"),
    (
        "two fields",
        append("de/qrels/test.tsv", "q1\tb"),
        "line 5 must be query id, document id and score, with tabs between them, and has 2 fields",
    ),
    ("spaces", append("de/qrels/test.tsv", "q1 0 b 1"), "with tabs between them, and has 1 fields"),
    (
        "empty field",
        append("de/qrels/test.tsv", "\tb\t1"),
        "line 5 must be query id, document id and score, with tabs between them, and has 3 fields",
    ),
    ("score a word", append("de/qrels/test.tsv", "q1\ta\tyes"), "line 5: the score must be a whole number, not 'yes'"),
    (
        "score a fraction",
        append("de/qrels/test.tsv", "q1\ta\t0.5"),
        "line 5: the score must be a whole number, not '0.5'",
    ),
    (
        "judged twice",
        append("de/qrels/test.tsv", "q1\tb\t2"),
        "line 5: document 'b' for query 'q1' is on line 3 already",
    ),
    (
        "score too large",
        append("de/qrels/test.tsv", "q1\ta\t2147483648"),
        "line 5: the score must be at most 2147483647, not 2147483648",
    ),
    (
        "score with many digits",
        append("de/qrels/test.tsv", f"q1\ta\t{'9' * 5000}"),
        "line 5: the score must be at most",
    ),
    ("unknown query", append("de/qrels/test.tsv", "q9\ta\t1"), "line 5 names query 'q9', which"),
    ("unknown document", append("de/qrels/test.tsv", "q1\tz\t1"), "line 5 names document 'z', which"),
    (
        "unknown language",
        rename("de", "deu"),
        "deu: unknown language 'deu': did you mean 'de'?",
    ),
    ("nothing relevant", replace("*/qrels/test.tsv", HEADER + "q1\ta\t0\n"), "no document in de, en is relevant"),
    (
        "shared, no language",
        replace("*/corpus.jsonl", '{"_id": "a", "text": "x"}'),
        "line 1 has no 'language', which it needs",
    ),
]
POOLED = [
    (
        "document without language",
        append("corpus.jsonl", '{"_id": "x", "text": "x"}'),
        "corpus.jsonl, line 6 has no 'language'",
    ),
    (
        "query without language",
        append("queries.jsonl", '{"_id": "x", "text": "x"}'),
        "queries.jsonl, line 6 has no 'language'",
    ),
    (
        "unknown language",
        append("corpus.jsonl", '{"_id": "x", "text": "x", "language": "deu_Latn"}'),
        "corpus.jsonl, line 6: unknown language 'deu_Latn': did you mean 'de'?",
    ),
    (
        "unknown query language",
        append("queries.jsonl", '{"_id": "x", "text": "x", "language": "xx"}'),
        "queries.jsonl, line 6: unknown language 'xx'",
    ),
    (
        "question twice",
        append("queries.jsonl", '{"_id": "x", "text": "x", "language": "de", "question": "q1"}'),
        "line 6: question 'q1' is asked twice in 'de'",
    ),
    (
        "question a number",
        append("queries.jsonl", '{"_id": "x", "text": "x", "language": "de", "question": 1}'),
        "'question' must be text in quotes",
    ),
]


@pytest.mark.parametrize("grade", ["2147483647", "-2147483649", "+0000000000000000003"])
def test_grades_in_range(tmp_path, grade):
    """The largest grade is one; so is a negative one beyond it, and one with many zeros in front."""
    write_languages(tmp_path)
    append("de/qrels/test.tsv", f"q1\ta\t{grade}")(tmp_path)
    assert read(tmp_path)["de"].grades.get(("q1", 0), 0) == max(0, int(grade))


class TestUnknownLanguages:
    """What is said about a language that is not known."""

    @pytest.mark.parametrize(
        ("language", "meant"),
        [("EN", "en"), ("eng", "en"), ("English", "en"), ("Deu", "de"), ("de_DE", "de"), ("Deutsch", "de"),
         ("deu_Latn", "de"), ("hebrew", "he"), ("MLT", "maltese"), ("Maltese", "maltese")],
    )  # fmt: skip
    def test_another_way_to_write_a_known_one(self, language, meant):
        """Only its code is said."""
        with pytest.raises(CollectionError) as raised:
            check_language(language, {"maltese": "mlt-Latn"})
        assert str(raised.value) == f"unknown language {language!r}: did you mean {meant!r}?"

    def test_what_to_write(self):
        """TOML for a card and Python, both with the language's own code and a placeholder that MTEB does not know."""
        with pytest.raises(CollectionError) as raised:
            check_language("mt", {})
        found = re.fullmatch(r".* below a line (\[scripts\]): (.*); in Python: (scripts=.*)", str(raised.value))
        assert tomllib.loads("\n".join(found.groups()[:2])) == {"scripts": {"mt": "xxx-Xxxx"}}
        assert eval(f"dict({found[3]})") == {"scripts": {"mt": "xxx-Xxxx"}}
        assert "did you mean" not in str(raised.value)
        with pytest.raises(ValueError, match="xxx"):
            check_language_code("xxx-Xxxx")


class TestRefused:
    """Every error names the file and, where there is one, the line."""

    @pytest.mark.parametrize(("change", "message"), [row[1:] for row in IN_FOLDERS], ids=[row[0] for row in IN_FOLDERS])
    def test_in_folders(self, tmp_path, change, message):
        """One thing is wrong in the German folder."""
        change(write_languages(tmp_path))
        with pytest.raises(CollectionError) as raised:
            read(tmp_path)
        assert message in str(raised.value)
        assert str(tmp_path) in str(raised.value)

    @pytest.mark.parametrize(("change", "message"), [row[1:] for row in POOLED], ids=[row[0] for row in POOLED])
    def test_pooled(self, tmp_path, change, message):
        """One thing is wrong in the pooled folder."""
        change(write_pooled(tmp_path))
        with pytest.raises(CollectionError) as raised:
            read(tmp_path)
        assert message in str(raised.value)
        assert str(tmp_path) in str(raised.value)

    def test_no_folder(self, tmp_path):
        """Neither a folder, nor one with a collection in it."""
        with pytest.raises(CollectionError, match="nowhere is no folder"):
            read(tmp_path / "nowhere")
        with pytest.raises(
            CollectionError, match=r"holds neither corpus\.jsonl, as a pooled folder does, nor a folder"
        ):
            read(tmp_path)
        with pytest.raises(CollectionError, match="name one for each language"):
            read({})
        with pytest.raises(CollectionError, match=r"en/corpus\.jsonl is missing"):
            read({"en": tmp_path / "en"})

    def test_pooled_or_not(self, tmp_path):
        """A pooled folder beside folders for languages: neither wins. What is called by no language is left alone."""
        write_pooled(tmp_path)
        write_languages(tmp_path / "old")
        shutil.copytree(tmp_path / "old" / "en", tmp_path / "first-draft")
        (tmp_path / "fr").mkdir()
        assert list(read(tmp_path)) == ["de", "en"]
        write_languages(tmp_path)
        with pytest.raises(
            CollectionError, match=r"folders for languages, de, en: remove one of the two, corpus\.jsonl"
        ):
            read(tmp_path)
        assert list(read({language: tmp_path / language for language in ("de", "en")})) == ["de", "en"]

    def test_languages(self, tmp_path):
        """Languages to keep must be there, and there must be some."""
        write_languages(tmp_path)
        with pytest.raises(CollectionError, match="has no language 'eng'; did you mean 'en'"):
            read(tmp_path, languages=["eng"])
        with pytest.raises(CollectionError, match="has no language 'th'; it has de, en"):
            read(tmp_path, languages=["th"])
        with pytest.raises(CollectionError, match="languages is empty; leave it out"):
            read(tmp_path, languages=[])
        with pytest.raises(CollectionError, match=r'languages must be a list, \["de"\]'):
            read(tmp_path, languages="de")
