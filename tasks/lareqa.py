"""What the tasks of LAReQA's two collections, XQuAD-R and MLQA-R, have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mteb.abstasks.task_metadata import TaskMetadata

from mteb_hybrid.tasks.settings import Setting, eval_langs

if TYPE_CHECKING:
    from mteb_hybrid.collections import ParallelCollection


def lareqa_metadata(
    setting: Setting, collection: ParallelCollection, *, family: str, description: str, **changes: Any
) -> TaskMetadata:
    """Metadata of one setting of a collection.

    Args:
        setting: The setting.
        collection: The collection.
        family: What the names of its tasks begin with.
        description: What is retrieved from what in this setting.
        changes: What differs between the collections: dates, licence, citation, MTEB's task of the same origin.
    """
    return TaskMetadata(
        name=f"{family}{setting.value}",
        dataset={"path": "google-research-datasets/lareqa", "revision": collection.revision},
        description=f"{description} Scores are over the full ranking.",
        reference="https://arxiv.org/abs/2004.05484",
        type="Retrieval",
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=eval_langs(setting, collection.languages),
        main_score="map",
        domains=["Encyclopaedic", "Written"],
        task_subtypes=["Question answering"],
        annotations_creators="human-annotated",
        dialect=[],
        sample_creation="human-translated",
        **changes,
    )
