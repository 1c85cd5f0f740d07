"""Documents in LAReQA's layout, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# ---------------------------------------------------------------------------------------------------------------------
# the reader, on files made by hand


def paragraph(sentences: list[str], *questions: tuple[str, str, int]) -> dict[str, Any]:
    """A paragraph of sentences joined by a space, with questions of (id, text, answer_start)."""
    context = " ".join(sentences)
    breaks, begin = [], 0
    for sentence in sentences:
        breaks.append([begin, begin + len(sentence)])
        begin += len(sentence) + 1
    return {
        "context": context,
        "sentences": list(sentences),
        "sentence_breaks": breaks,
        "qas": [
            {"id": query_id, "question": text, "answers": [{"answer_start": start, "text": context[start : start + 3]}]}
            for query_id, text, start in questions
        ],
    }


FIRST = ["Ö𝕏ö.", "Zwei 猫.", "Drei."]  # characters of 1 to 4 bytes before the answers; begins 0, 5, 13; ends 4, 12, 18


def document() -> dict[str, Any]:
    """Two articles with three paragraphs; the last repeats a sentence of the first and has no question."""
    return {
        "version": "1.1",
        "data": [
            {
                "title": "A",
                "paragraphs": [
                    paragraph(FIRST, ("q-third", "Wo ist drei?", 13), ("q-second", "Wo ist die Katze?", 10)),
                    paragraph(["Vier.", "Fünf."], ("q-fifth", "Wo ist fünf?", 6)),
                ],
            },
            {"title": "B", "paragraphs": [paragraph(["Drei.", "Sechs."])]},
        ],
    }


def write(tmp_path: Path, content: Any) -> Path:
    """Write a document, or bytes as they are, to a file."""
    path = tmp_path / "de.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode())
    return path
