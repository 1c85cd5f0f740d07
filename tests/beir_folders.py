"""Folders in BEIR's layout, for tests."""

from __future__ import annotations

import json
from pathlib import Path

from mteb_hybrid.collections import LanguagePart
from mteb_hybrid.collections.beir import BeirSource


def read(folders, **options) -> dict[str, LanguagePart]:
    """All languages of a collection."""
    collection = BeirSource.of("mine", folders, **options).collection()
    languages = dict.fromkeys([*collection.languages, *collection.query_languages])
    return {language: collection.load(language) for language in languages}


def write_folder(folder: Path, documents: list[dict], queries: list[dict], judged: list, split: str = "test") -> Path:
    """One folder; ``judged`` are (query id, document id, score) triples."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, rows in (("corpus", documents), ("queries", queries)):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, one)) for one in judged)]
    (folder / "qrels" / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_languages(root: Path) -> Path:
    """Two languages, in a folder each: three questions, of which the last one is German only, and a graded judgment."""
    write_folder(
        root / "en",
        [
            {"_id": "a", "title": "Tea", "text": "is drunk hot."},
            {"_id": "b", "text": "Cats sleep a lot."},
            {"_id": "c", "title": "Snow", "text": ""},
        ],
        [{"_id": "q1", "text": "What is drunk hot?"}, {"_id": "q2", "text": "Who sleeps a lot?"}],
        [("q1", "a", 2), ("q1", "c", 0), ("q2", "b", 1)],
    )
    write_folder(
        root / "de",
        [
            {"_id": "a", "title": "", "text": "Katzen schlafen viel."},
            {"_id": "b", "title": None, "text": " Tee trinkt man heiß. "},
        ],
        [
            {"_id": "q2", "text": "Wer schläft viel?"},
            {"_id": "q1", "text": "Was trinkt man heiß?"},
            {"_id": "q3", "text": "Was trinkt man?"},
        ],
        [("q2", "a", 1), ("q1", "b", 1), ("q3", "b", 3)],
    )
    return root


def write_pooled(root: Path) -> Path:
    """The collection of `write_languages` in one folder; translations share a ``question``."""
    return write_folder(
        root,
        [
            {"_id": "en-a", "title": "Tea", "text": "is drunk hot.", "language": "en"},
            {"_id": "de-a", "title": "", "text": "Katzen schlafen viel.", "language": "de"},
            {"_id": "en-b", "text": "Cats sleep a lot.", "language": "en"},
            {"_id": "de-b", "title": None, "text": " Tee trinkt man heiß. ", "language": "de"},
            {"_id": "en-c", "title": "Snow", "text": "", "language": "en"},
        ],
        [
            {"_id": "1-en", "text": "What is drunk hot?", "language": "en", "question": "q1"},
            {"_id": "2-de", "text": "Wer schläft viel?", "language": "de", "question": "q2"},
            {"_id": "1-de", "text": "Was trinkt man heiß?", "language": "de", "question": "q1"},
            {"_id": "2-en", "text": "Who sleeps a lot?", "language": "en", "question": "q2"},
            {"_id": "q3", "text": "Was trinkt man?", "language": "de"},
        ],
        [
            ("1-en", "en-a", 2), ("1-de", "en-a", 1), ("1-de", "en-c", 0),  # the higher grade of a question counts
            ("1-en", "de-b", 1), ("2-de", "en-b", 1), ("2-de", "de-a", 1), ("q3", "de-b", 3),
        ],
    )  # fmt: skip


def write_english_questions(root: Path) -> Path:
    """English questions about German and French passages, and Russian passages that nothing is asked about."""
    return write_folder(
        root,
        [
            {"_id": "1", "text": "Katzen schlafen viel.", "language": "de"},
            {"_id": "2", "text": "Le thé se boit chaud.", "language": "fr"},
            {"_id": "3", "text": "Les chats dorment beaucoup.", "language": "fr"},
            {"_id": "4", "text": "Снег белый.", "language": "ru"},
        ],
        [
            {"_id": "q1", "text": "Who sleeps a lot?", "language": "en"},
            {"_id": "q2", "text": "What is drunk hot?", "language": "en"},
        ],
        [("q1", "1", 1), ("q1", "3", 1), ("q2", "2", 1)],
    )
