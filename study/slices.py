"""A fifth of a test collection, paragraph by paragraph: what a CPU can score for every arm.

Questions are taken by a hash of their English paragraph, so that no paragraph is cut in two, and the same in every
language; passages are all sentences of the paragraphs that hold their answers.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.collections import mlqa_r, xquad_r

if TYPE_CHECKING:
    from pathlib import Path

    from mteb_hybrid.collections import LanguagePart, ParallelCollection

COLLECTIONS = {"XQuADRFifth": xquad_r, "MLQARFifth": mlqa_r}
_PARTS = 5


def write_cards(folder: Path) -> Path:
    """Write the slices as users' collections, with their cards; the folder for ``MTEB_HYBRID_TASKS``."""
    for name, collection in COLLECTIONS.items():
        card = folder / f"{name}.toml"
        if not card.is_file():
            write_slice(collection(), folder / name)
            with atomic_path(card) as temporary:
                temporary.write_text(f'name = "{name}"\nfolder = "{name}"\n', encoding="utf-8")
    return folder


def write_slice(collection: ParallelCollection, folder: Path) -> None:
    """Write a fifth of a collection in BEIR's layout, a folder for each language."""
    kept = questions(collection.load("en"))
    for language in collection.languages:
        part = collection.load(language)
        _write(part, collection.passage_ids(language, len(part.passages)), kept, folder / language)


def questions(english: LanguagePart) -> set[str]:
    """Ids of the questions of a fifth of the paragraphs, by the paragraphs' texts."""
    return {
        query_id
        for query_id, text in paragraph_of(english).items()
        if hashlib.sha256(text.encode()).digest()[0] % _PARTS == 0
    }


def paragraph_of(english: LanguagePart) -> dict[str, str]:
    """The English paragraph that holds a question's answer, by the question's id."""
    return {
        query_id: english.contexts[positions[0]]
        for query_id, positions in zip(english.query_ids, english.relevant, strict=True)
    }


def paragraphs(part: LanguagePart) -> list[int]:
    """Number of the paragraph of each passage; equal paragraphs that follow each other are one."""
    runs = itertools.groupby(part.contexts)
    return [number for number, (_, run) in enumerate(runs) for _ in run]


def _write(part: LanguagePart, ids: list[str], kept: set[str], folder: Path) -> None:
    asked = [number for number, query_id in enumerate(part.query_ids) if query_id in kept]
    paragraph = paragraphs(part)
    searched = {paragraph[position] for number in asked for position in part.relevant[number]}
    corpus = [
        {"_id": ids[position], "title": "", "text": text}
        for position, text in enumerate(part.passages)
        if paragraph[position] in searched
    ]
    queries = [{"_id": part.query_ids[number], "text": part.queries[number]} for number in asked]
    judged = [f"{part.query_ids[number]}\t{ids[position]}\t1" for number in asked for position in part.relevant[number]]
    for name, rows in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        _lines(folder / name, [json.dumps(row, ensure_ascii=False) for row in rows])
    _lines(folder / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", *judged])


def _lines(path: Path, lines: list[str]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
