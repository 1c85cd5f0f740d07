"""Parallel collections that are made by hand, and tasks on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mteb
import pytest

from mteb_hybrid import ranking
from mteb_hybrid.collections import LanguagePart, ParallelCollection
from mteb_hybrid.tasks import AbsTaskParallelRetrieval
from mteb_hybrid.tasks.settings import Setting, eval_langs

if TYPE_CHECKING:
    from pathlib import Path

M, X, P = Setting.MONOLINGUAL, Setting.CROSS_LINGUAL, Setting.MULTILINGUAL
LANGUAGES = ("de", "en", "th")
FEW = 12  # passages of a language
OFFSET = 5  # passages of any language with equal embeddings
MORE = ("ar", "de", "en", "es", "th", "zh")


def part(language: str) -> LanguagePart:
    """Questions, some of which have relevant passages in some languages only, and two in one of them."""
    passages = tuple(f"{language} passage {number}" for number in range(FEW))
    skipped = {"de": 3, "en": 4, "th": 5}[language]
    relevant = {str(number): (number,) for number in range(FEW) if number % skipped}
    relevant["1"] = (1, OFFSET)
    asked = {key: positions for key, positions in relevant.items() if key != "7" or language != "en"}
    unasked = {key: positions for key, positions in relevant.items() if key not in asked}
    return LanguagePart(
        language, passages, ("",) * FEW, tuple(asked), tuple(f"{language} question {key}" for key in asked),
        tuple(asked.values()), "by hand", unasked,
    )  # fmt: skip


def collection() -> ParallelCollection:
    return ParallelCollection("by-hand", "1", LANGUAGES, part)


def even(language: str) -> LanguagePart:
    """Questions that have one relevant passage in each language."""
    numbers = tuple(map(str, range(FEW)))
    passages, questions = (tuple(f"{language} {kind} {n}" for n in numbers) for kind in ("passage", "question"))
    return LanguagePart(
        language, passages, ("",) * FEW, numbers, questions, tuple((row,) for row in range(FEW)), "by hand"
    )


def even_collection() -> ParallelCollection:
    return ParallelCollection("even", "1", MORE, even)


def task(setting: Setting, of=collection, **kept) -> AbsTaskParallelRetrieval:
    """The task of a setting on a collection made here."""
    metadata = mteb.get_task(f"MiniQAR{setting.value}").metadata
    metadata = metadata.model_copy(update={"eval_langs": eval_langs(setting, of().languages), "name": f"Mine{setting}"})
    content = {"metadata": metadata, "setting": setting, "collection": staticmethod(of)}
    made = type("Mine", (AbsTaskParallelRetrieval,), content)()
    for name, value in kept.items():
        setattr(made, name, value)
    return made


def evaluate(model, tasks, folder: Path | None = None, cache=None) -> dict[str, dict[str, dict]]:
    """Scores by task and subset."""
    results = mteb.evaluate(
        model, tasks, cache=cache, show_progress_bar=False, co2_tracker=False, prediction_folder=folder
    )
    return {one.task_name: {score["hf_subset"]: score for score in one.scores["test"]} for one in results.task_results}


def files(folder: Path) -> dict[str, bytes]:
    """What is written for a run."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


@pytest.fixture
def counted(monkeypatch):
    """How many scores the fast product computes."""
    pairs: list[int] = []
    product = ranking.fast_product

    def counting(queries, passages, out):
        pairs.append(len(queries) * len(passages))
        product(queries, passages, out)

    monkeypatch.setattr(ranking, "fast_product", counting)
    return pairs
