"""BEIR folders of several languages: alignment by ids, titles, and what is said of broken files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from parallel_items import view_groups, view_rows, write_beir, write_lines

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers import ParallelDataset
from mteb_hybrid.trainers.data.builders import files


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    """A cache of its own for each test."""
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path) -> Path:
    """German and English: shared document ids for q1, none for q2, and what one language has alone."""
    write_beir(
        tmp_path / "beir" / "de",
        {"q3": "q3 de", "q1": "q1 de", "q2": "q2 de", "unused": ""},
        {"d1": "d1 de", "d2": "d2 de", "x1": "x1 de", "x2": "x2 de", "bad": "", "d5": "d5 de"},
        [("q2", "x1", 2), ("q1", "d2", 1), ("q1", "d1", 1), ("q2", "bad", 0), ("q2", "x2", 1), ("q3", "d5", 1)],
    )
    write_beir(
        tmp_path / "beir" / "en",
        {"q1": "q1 en", "q2": "q2 en", "q4": "q4 en"},
        {"d1": "d1 en", "d3": "d3 en", "y1": "y1 en", "y2": "y2 en", "y3": "y3 en", "d4": "d4 en"},
        [("q1", "d1", 1), ("q1", "d3", 1), ("q2", "y2", 1), ("q2", "y1", 1), ("q2", "y3", 1), ("q4", "d4", 1)],
    )
    return tmp_path / "beir"


EXPECTED = {
    # by document id: q1 has d1 in both languages
    ("q1 de", "d1 de", "0"),
    ("q1 de", "d1 en", "1"),
    ("q1 en", "d1 de", "1"),
    ("q1 en", "d1 en", "0"),
    ("q1 de", "d2 de", "0"),
    ("q1 en", "d3 en", "0"),
    # n-th with n-th, in the order of the judgments: q2 has no document in common
    ("q2 de", "x1 de", "0"),
    ("q2 de", "y2 en", "1"),
    ("q2 en", "x1 de", "1"),
    ("q2 en", "y2 en", "0"),
    ("q2 de", "x2 de", "0"),
    ("q2 de", "y1 en", "1"),
    ("q2 en", "x2 de", "1"),
    ("q2 en", "y1 en", "0"),
    ("q2 en", "y3 en", "0"),
    # in one language only
    ("q3 de", "d5 de", "0"),
    ("q4 en", "d4 en", "0"),
}


@pytest.mark.parametrize("form", ["root", "mapping", "texts"])
@pytest.mark.parametrize("block", [1, 100, 2**25])
def test_rows(root, form, block, monkeypatch):
    """Documents are aligned by id if languages share one, else by place; in blocks of one line, some or all."""
    monkeypatch.setattr(files, "_BLOCK", block)
    folders = {"root": root, "mapping": {"en": root / "en", "de": root / "de"}, "texts": str(root)}[form]
    made = ParallelDataset.from_beir(folders)
    rows = view_rows(made)
    assert set(rows) == EXPECTED
    assert len(rows) == len(EXPECTED)
    assert made.num_items == 8
    # a question's items share its text
    assert len(view_groups(made)) == 4


def test_languages(root):
    """Only those asked for; the folder of another need not be in order, and hidden folders are no languages."""
    (root / ".git").mkdir()
    (root / "en" / "corpus.jsonl").unlink()
    made = ParallelDataset.from_beir(root, languages=["de"])
    assert set(view_rows(made)) == {row for row in EXPECTED if row[0].endswith("de") and row[1].endswith("de")}


def test_title(tmp_path):
    """Title, blank and text without white space around them; only the text where the title is missing or empty."""
    documents = {
        "both": {"title": "Title", "text": "text "},
        "empty": {"title": "", "text": " text of empty"},
        "null": {"title": None, "text": "text of null"},
        "none": {"text": "text of none", "metadata": {"any": [1, "x"]}},
        "only": {"title": "Only", "text": ""},
    }
    write_beir(tmp_path / "en", {"q": "q"}, documents, [("q", key, 1) for key in documents])
    made = ParallelDataset.from_beir({"en": tmp_path / "en"})
    assert made[:]["passage"] == ["Title text", "text of empty", "text of null", "text of none", "Only"]


def test_texts_as_they_are(tmp_path):
    """Quotes, tabs, line ends inside JSON, and all scripts."""
    texts = {"a": 'He said "no"', "b": "tab\there", "c": "line\nend", "d": "ไทย 中文 😀", "e": "NA", "f": "it's, yes"}
    write_beir(tmp_path / "en", {"q": 'q "q'}, texts, [("q", key, 1) for key in texts])
    made = ParallelDataset.from_beir({"en": tmp_path / "en"})
    assert made[:]["passage"] == list(texts.values())
    assert set(made[:]["query"]) == {'q "q'}


def test_split_and_windows_lines(root):
    """Another file of judgments; lines may end as on Windows, and a score may be written 1.0."""
    for language in ("de", "en"):
        (root / language / "qrels" / "dev.tsv").write_bytes(b"query-id\tcorpus-id\tscore\r\nq1\td1\t1.0\r\n")
    rows = {row for row in EXPECTED if row[0][:2] == "q1" and row[1][:2] == "d1"}
    assert set(view_rows(ParallelDataset.from_beir(root, "dev"))) == rows


def test_copied_once(root, tmp_path):
    """Texts of relevant pairs are in the cache, mapped into memory; another state of a file is read anew."""
    made = ParallelDataset.from_beir(root)
    cached = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.arrow")}
    assert len(cached) == 4
    mapped = {
        Path(one["filename"])
        for block in made.blocks
        for text in block.queries.values()
        for one in text.dataset.cache_files
    }
    assert len(mapped & set(cached)) == len(mapped) == 2
    assert view_rows(ParallelDataset.from_beir(root)) == view_rows(made)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.arrow")} == cached
    queries = root / "de" / "queries.jsonl"
    queries.write_text(queries.read_text().replace("q1 de", "Q1 DE"))
    os.utime(queries, ns=(1, 1))
    assert "Q1 DE" in {row[0] for row in view_rows(ParallelDataset.from_beir(root))}


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/train.tsv"])
def test_missing_file(root, name):
    """Named, with the layout."""
    (root / "en" / name).unlink()
    with pytest.raises(
        TrainingDataError, match=rf"{root / 'en' / name} is missing: put it there; a folder in BEIR's layout must have"
    ):
        ParallelDataset.from_beir(root)


@pytest.mark.parametrize("line", ["{", '{"_id": "q9"}', '{"_id": 9, "text": "a"}', '{"_id": null, "text": "a"}', "[1]"])
@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
@pytest.mark.parametrize("block", [1, 2**25])
def test_malformed_line(root, name, line, block, monkeypatch):
    """Named with its number, also where nothing refers to it, and wherever blocks end."""
    monkeypatch.setattr(files, "_BLOCK", block)
    path = root / "de" / name
    lines = path.read_text(encoding="utf-8").splitlines()
    write_lines(path, [lines[0], "", line, *lines[1:]])
    with pytest.raises(TrainingDataError, match=rf"{path}, line 3 must be a JSON object with texts '_id' and 'text'"):
        ParallelDataset.from_beir(root)


@pytest.mark.parametrize("line", ["q1 d1 1", "q1\td1", "q1\td1\tyes", "q1\t0\td1\t1", "q1\td1\t"])
def test_malformed_judgment(root, line):
    """Named with its number; the names of the columns are line 1."""
    path = root / "en" / "qrels" / "train.tsv"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(TrainingDataError, match=rf"{path}, line 8 must be query id, document id and a number"):
        ParallelDataset.from_beir(root)


def test_invalid_utf8(root):
    """Bytes that are no text are a malformed line."""
    path = root / "de" / "corpus.jsonl"
    path.write_bytes(path.read_bytes() + b'{"_id": "d9", "text": "\xff"}\n')
    with pytest.raises(TrainingDataError, match=rf"{path}, line 7 must be a JSON object"):
        ParallelDataset.from_beir(root)


@pytest.mark.parametrize(
    ("queries", "corpus", "qrels", "message"),
    [
        (
            ["q"],
            ["d"],
            [("q", "d"), ("q", "e"), ("q", "f")],
            "train.tsv names id 'e', which .*corpus.jsonl does not have",
        ),
        (["q"], ["d"], [("r", "d")], "train.tsv names id 'r', which .*queries.jsonl does not have"),
        (["q"], ["d"], [("q", "d"), ("q", "d")], "train.tsv has document 'd' for query 'q' more than once"),
        (["q", "r", "q"], ["d"], [("q", "d")], "queries.jsonl has id 'q' more than once"),
        (["q"], ["d", "d"], [("q", "d")], "corpus.jsonl has id 'd' more than once"),
        ([], [], [], "mine: no document is relevant for a question in split 'train'"),
    ],
)
def test_ids(tmp_path, queries, corpus, qrels, message):
    """Ids that are unknown or come twice are named with their file; a cache that was filled before does not hide it."""
    folder = write_beir(tmp_path / "en", {}, {}, [(*pair, 1) for pair in qrels])
    write_lines(folder / "queries.jsonl", [{"_id": key, "text": "q"} for key in queries])
    write_lines(folder / "corpus.jsonl", [{"_id": key, "text": "p"} for key in corpus])
    for _ in range(2):
        with pytest.raises(TrainingDataError, match=message):
            ParallelDataset.from_beir({"en": folder}, name="mine")


@pytest.mark.parametrize(
    ("query", "document"), [("", "p"), (" \u3000", "p"), ("q", ""), ("q", {"title": " ", "text": ""})]
)
def test_blank_text(tmp_path, query, document):
    """Named with file and id."""
    folder = write_beir(tmp_path / "en", {"q7": query}, {"d7": document}, [("q7", "d7", 1)])
    named = "corpus.jsonl has no text for id 'd7'" if query == "q" else "queries.jsonl has no text for id 'q7'"
    with pytest.raises(TrainingDataError, match=named):
        ParallelDataset.from_beir({"en": folder})


def test_one_language_without_judgments(root):
    """A language whose questions have no relevant document is in no item."""
    path = root / "en" / "qrels" / "train.tsv"
    path.write_text("query-id\tcorpus-id\tscore\nq1\td1\t0\n")
    assert ParallelDataset.from_beir(root).languages == ("de",)


def test_no_column_names(root):
    """A file of judgments without them would lose its first one."""
    path = root / "de" / "qrels" / "train.tsv"
    path.write_text("q1\td1\t1\n")
    with pytest.raises(TrainingDataError, match=rf"{path}, line 1 is a judgment"):
        ParallelDataset.from_beir(root)


def test_folders(root, tmp_path):
    """A root that is not there or empty, a language that is not there, a folder that is no language."""
    with pytest.raises(TrainingDataError, match="is no folder"):
        ParallelDataset.from_beir(tmp_path / "elsewhere")
    with pytest.raises(TrainingDataError, match="has no language 'fr'; it has de, en"):
        ParallelDataset.from_beir(root, languages=["fr"])
    (root / "old stuff").mkdir()
    with pytest.raises(TrainingDataError, match="'old stuff' is no language code"):
        ParallelDataset.from_beir(root)
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "empty", {}):
        with pytest.raises(TrainingDataError, match="there is no language"):
            ParallelDataset.from_beir(nothing)


def test_cache_that_cannot_be_written(root, tmp_path, monkeypatch):
    """Named with the variable that moves it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "file"))
    with pytest.raises(TrainingDataError, match=r"cannot be written .*MTEB_HYBRID_CACHE"):
        ParallelDataset.from_beir(root)
