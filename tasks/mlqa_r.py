"""MLQA-R (LAReQA): 7 languages, 500 to 1,148 questions, each asked and answered in 2 to 4 of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mteb_hybrid.collections import mlqa_r
from mteb_hybrid.tasks.citations import LAREQA, MLQA
from mteb_hybrid.tasks.lareqa import lareqa_metadata
from mteb_hybrid.tasks.parallel import AbsTaskParallelRetrieval
from mteb_hybrid.tasks.settings import Setting

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata

CITATION = LAREQA + MLQA

_SETTING_LINES = {
    Setting.MONOLINGUAL: "Questions and candidates are in the same language.",
    Setting.CROSS_LINGUAL: (
        "Questions and candidates are in different languages; the subset en-de has those English questions that German "
        "has too, and German candidates."
    ),
    Setting.MULTILINGUAL: (
        "The candidates of all 7 languages are pooled; a subset is named by the language of its questions. Each "
        "question has 2 to 4 relevant sentences, one in each language that it is asked in."
    ),
}


def _metadata(setting: Setting) -> TaskMetadata:
    return lareqa_metadata(
        setting,
        mlqa_r(),
        family="MLQAR",
        description=(
            "Retrieval of the sentence that answers a question, from the sentences of the MLQA paragraphs. "
            f"{_SETTING_LINES[setting]} Paragraphs are taken from the Wikipedias of the languages and are aligned in "
            "the sentence that answers; questions were translated by professional human translators."
        ),
        date=("2019-01-01", "2020-04-10"),
        license="cc-by-nc-4.0",
        bibtex_citation=CITATION,
        adapted_from=["MLQARetrieval"],
    )


class MLQARMonolingual(AbsTaskParallelRetrieval):
    """7 subsets, such as ``de``: German questions, German sentences."""

    collection = staticmethod(mlqa_r)
    setting = Setting.MONOLINGUAL
    metadata = _metadata(Setting.MONOLINGUAL)


class MLQARCrossLingual(AbsTaskParallelRetrieval):
    """42 subsets, such as ``en-de``: the English questions that German has too, German sentences."""

    collection = staticmethod(mlqa_r)
    setting = Setting.CROSS_LINGUAL
    metadata = _metadata(Setting.CROSS_LINGUAL)


class MLQARMultilingual(AbsTaskParallelRetrieval):
    """7 subsets, such as ``de``: German questions, the sentences of all 7 languages."""

    collection = staticmethod(mlqa_r)
    setting = Setting.MULTILINGUAL
    metadata = _metadata(Setting.MULTILINGUAL)
