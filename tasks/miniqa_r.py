"""MiniQA-R, the collection that ships with this package: 11 languages, 48 questions, no download."""

from __future__ import annotations

from mteb.abstasks.task_metadata import TaskMetadata

from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.tasks.parallel import AbsTaskParallelRetrieval
from mteb_hybrid.tasks.settings import Setting, eval_langs


def _metadata(setting: Setting) -> TaskMetadata:
    collection = miniqa_r()
    return TaskMetadata(
        name=f"MiniQAR{setting.value}",
        dataset={"path": "mteb-hybrid/miniqa-r", "revision": collection.revision},
        description=(
            "Retrieval of the sentence that answers a question, from 48 short passages in 11 languages that were "
            "written for mteb-hybrid's demonstration and tests. Too small to rank models by; use XQuAD-R."
        ),
        reference="https://arxiv.org/abs/2408.10536",
        type="Retrieval",
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=eval_langs(setting, collection.languages),
        main_score="map",
        date=("2026-11-01", "2026-11-21"),
        domains=["Encyclopaedic", "Written"],
        task_subtypes=["Question answering"],
        license="apache-2.0",
        annotations_creators="LM-generated",
        dialect=[],
        sample_creation="LM-generated and verified",
        bibtex_citation="",
    )


class MiniQARMonolingual(AbsTaskParallelRetrieval):
    """11 subsets, such as ``de``: German questions, German sentences."""

    collection = staticmethod(miniqa_r)
    setting = Setting.MONOLINGUAL
    metadata = _metadata(Setting.MONOLINGUAL)


class MiniQARCrossLingual(AbsTaskParallelRetrieval):
    """110 subsets, such as ``en-de``: English questions, German sentences."""

    collection = staticmethod(miniqa_r)
    setting = Setting.CROSS_LINGUAL
    metadata = _metadata(Setting.CROSS_LINGUAL)


class MiniQARMultilingual(AbsTaskParallelRetrieval):
    """11 subsets, such as ``de``: German questions, the sentences of all 11 languages."""

    collection = staticmethod(miniqa_r)
    setting = Setting.MULTILINGUAL
    metadata = _metadata(Setting.MULTILINGUAL)
