"""Parallel collections made in a test."""

from __future__ import annotations

from parallel_items import (
    item,
)

from mteb_hybrid.collections import LanguagePart, ParallelCollection

FULL = [item(str(number), "de en") for number in range(3)]
NEGATIVE = [item(str(number), "de en", negatives=1) for number in range(3)]
ROWS_OF_FULL = {
    ("query 0 de", "passage 0 de", "0"),
    ("query 0 de", "passage 0 en", "1"),
    ("query 0 en", "passage 0 de", "1"),
    ("query 0 en", "passage 0 en", "0"),
    ("query 1 de", "passage 1 de", "0"),
    ("query 1 de", "passage 1 en", "1"),
    ("query 1 en", "passage 1 de", "1"),
    ("query 1 en", "passage 1 en", "0"),
    ("query 2 de", "passage 2 de", "0"),
    ("query 2 de", "passage 2 en", "1"),
    ("query 2 en", "passage 2 de", "1"),
    ("query 2 en", "passage 2 en", "0"),
}


def part(language: str, questions: dict[str, tuple[str, ...]], passages: list[str] | None = None) -> LanguagePart:
    """One language of a collection; by question id its relevant passages."""
    pool = passages or list(dict.fromkeys(text for relevant in questions.values() for text in relevant))
    return LanguagePart(
        language,
        tuple(pool),
        ("",) * len(pool),
        tuple(questions),
        tuple(f"query {key} {language}" for key in questions),
        tuple(tuple(pool.index(text) for text in relevant) for relevant in questions.values()),
        "by hand",
    )


def collection(*parts: LanguagePart) -> ParallelCollection:
    by_language = {one.language: one for one in parts}
    return ParallelCollection("by-hand", "1", tuple(sorted(by_language)), by_language.__getitem__)
