"""XQuAD-R (LAReQA): 11 languages, 1,190 questions, one relevant sentence in each language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mteb_hybrid.collections import xquad_r
from mteb_hybrid.tasks.citations import LAREQA, XQUAD
from mteb_hybrid.tasks.lareqa import lareqa_metadata
from mteb_hybrid.tasks.parallel import AbsTaskParallelRetrieval
from mteb_hybrid.tasks.settings import Setting

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata

CITATION = LAREQA + XQUAD

_SETTING_LINES = {
    Setting.MONOLINGUAL: "Questions and candidates are in the same language.",
    Setting.CROSS_LINGUAL: (
        "Questions and candidates are in different languages; the subset en-de has English questions and German "
        "candidates."
    ),
    Setting.MULTILINGUAL: (
        "The candidates of all 11 languages are pooled; a subset is named by the language of its questions. Each "
        "question has 11 relevant sentences, one in each language, and rank_distance measures how far apart they rank."
    ),
}


def _metadata(setting: Setting) -> TaskMetadata:
    return lareqa_metadata(
        setting,
        xquad_r(),
        family="XQuADR",
        description=(
            "Retrieval of the sentence that answers a question, from the sentences of the XQuAD paragraphs. "
            f"{_SETTING_LINES[setting]} The translations of XQuAD were made by professional human translators."
        ),
        date=("2016-01-01", "2020-04-10"),
        license="cc-by-sa-4.0",
        bibtex_citation=CITATION,
        adapted_from=["XQuADRetrieval"],
    )


class XQuADRMonolingual(AbsTaskParallelRetrieval):
    """11 subsets, such as ``de``: German questions, German sentences."""

    collection = staticmethod(xquad_r)
    setting = Setting.MONOLINGUAL
    metadata = _metadata(Setting.MONOLINGUAL)


class XQuADRCrossLingual(AbsTaskParallelRetrieval):
    """110 subsets, such as ``en-de``: English questions, German sentences."""

    collection = staticmethod(xquad_r)
    setting = Setting.CROSS_LINGUAL
    metadata = _metadata(Setting.CROSS_LINGUAL)


class XQuADRMultilingual(AbsTaskParallelRetrieval):
    """11 subsets, such as ``de``: German questions, the sentences of all 11 languages."""

    collection = staticmethod(xquad_r)
    setting = Setting.MULTILINGUAL
    metadata = _metadata(Setting.MULTILINGUAL)
