"""MLQA-R (LAReQA): 7 languages, 500 to 1,148 questions, each asked and answered in 2 to 4 of them."""

from __future__ import annotations

from typing import Any

from mteb.abstasks.task_metadata import TaskMetadata

from mteb_hybrid.collections import mlqa_r
from mteb_hybrid.collections.lareqa import MLQA_R_FILES
from mteb_hybrid.tasks.citations import LAREQA, MLQA
from mteb_hybrid.tasks.parallel import AbsTaskParallelRetrieval
from mteb_hybrid.tasks.settings import Setting, eval_langs

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


def _metadata(setting: Setting, **changes: Any) -> TaskMetadata:
    return TaskMetadata(
        name=f"MLQAR{setting.value}",
        dataset={"path": "google-research-datasets/lareqa", "revision": MLQA_R_FILES.revision},
        description=(
            "Retrieval of the sentence that answers a question, from the sentences of the MLQA paragraphs. "
            f"{_SETTING_LINES[setting]} Paragraphs are taken from the Wikipedias of the languages and are aligned in "
            "the sentence that answers; questions were translated by professional human translators. Scores are "
            "over the full ranking."
        ),
        reference="https://arxiv.org/abs/2004.05484",
        type="Retrieval",
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=eval_langs(setting, mlqa_r().languages),
        main_score="map",
        date=("2019-01-01", "2020-04-10"),
        domains=["Encyclopaedic", "Written"],
        task_subtypes=["Question answering"],
        license="cc-by-nc-4.0",
        annotations_creators="human-annotated",
        dialect=[],
        sample_creation="human-translated",
        bibtex_citation=CITATION,
        adapted_from=["MLQARetrieval"],
        **changes,
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
