"""MiniQA-R, the collection that ships with this package: 48 short passages in the 11 languages of XQuAD-R.

Written for this project, for demonstrations and tests that need no download. It is far too small to rank models by.
"""

from __future__ import annotations

import json
from importlib.resources import files

from mteb_hybrid.collections.base import LanguagePart, ParallelCollection
from mteb_hybrid.errors import CollectionError

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")


def _read(language: str) -> LanguagePart:
    resource = files("mteb_hybrid.collections").joinpath("data", "miniqa-r", f"{language}.json")
    try:
        items = json.loads(resource.read_text(encoding="utf-8"))["items"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CollectionError(
            f"{resource} of mteb-hybrid's own installation is damaged: reinstall it ({error})"
        ) from error
    passages: list[str] = []
    contexts: list[str] = []
    relevant: list[tuple[int, ...]] = []
    for item in items:
        relevant.append((len(passages) + item["answer"],))
        passages += item["sentences"]
        contexts += [" ".join(item["sentences"])] * len(item["sentences"])
    return LanguagePart(
        language=language,
        passages=tuple(passages),
        contexts=tuple(contexts),
        query_ids=tuple(item["id"] for item in items),
        queries=tuple(item["question"] for item in items),
        relevant=tuple(relevant),
        source=str(resource),
    )


def miniqa_r() -> ParallelCollection:
    """The embedded collection MiniQA-R: 48 questions and 144 sentences in each of 11 languages."""
    return ParallelCollection("miniqa-r", "1", LANGUAGES, _read)
