"""MIRACL (18 languages): monolingual, pooled, and with translated questions; full corpora and hard negatives."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from mteb.abstasks.task_metadata import TaskMetadata

from mteb_hybrid.collections.miracl import LANGUAGES, MIRACL, MIRACL_HARD_NEGATIVES
from mteb_hybrid.errors import TranslationError
from mteb_hybrid.tasks import citations
from mteb_hybrid.tasks.settings import Setting, Subset, eval_langs, subsets
from mteb_hybrid.tasks.streamed import AbsTaskStreamedRetrieval
from mteb_hybrid.translation.folder import TRANSLATIONS_VARIABLE, TranslationFolder
from mteb_hybrid.translation.hub import SCHEME, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData

    from mteb_hybrid.collections.hub import HubCollection, HubSource

_PROMPT: Any = {"query": "Given a question, retrieve Wikipedia passages that answer the question"}
QUERY_LANGUAGES = {Setting.CROSS_LINGUAL: ("en",)}
"""Questions are asked in all languages, but for the cross-lingual tasks, which have English ones."""

_SETTING_LINES = {
    Setting.MONOLINGUAL: "Questions and passages are in the same language.",
    Setting.CROSS_LINGUAL: (
        "The questions of a language are translated into English and asked of its own passages: the subset en-sw has "
        "Swahili questions in English, and Swahili passages. Translations are the user's own, made with `mteb-hybrid "
        "translate`; scores compare between models on the same translations only."
    ),
    Setting.MULTILINGUAL: (
        "The passages of all 18 languages are pooled; a subset is named by the language of its questions. Passages of "
        "other languages are unjudged and count as not relevant, so scores are lower bounds: the task measures "
        "robustness to distractors."
    ),
}
_CORPUS_LINES = {
    MIRACL: "The corpora are the full ones, 106 million passages.",
    MIRACL_HARD_NEGATIVES: "At most 1,000 questions a language, and the passages that three retrievers found for them.",
}


def _planned(setting: Setting) -> dict[str, Subset]:
    return subsets(setting, LANGUAGES, QUERY_LANGUAGES.get(setting))


def _metadata(setting: Setting, hub: HubCollection) -> TaskMetadata:
    crossing = setting is Setting.CROSS_LINGUAL
    hard = hub is MIRACL_HARD_NEGATIVES
    return TaskMetadata(
        name=f"MIRACL{setting.value}{'HardNegatives' if hard else ''}",
        dataset={"path": hub.path, "revision": hub.revision},
        description=(
            "Retrieval of the Wikipedia passages that answer a question, from MIRACL's dev set. "
            f"{_SETTING_LINES[setting]} {_CORPUS_LINES[hub]}"
        ),
        reference="https://project-miracl.github.io/",
        type="Retrieval",
        category="t2t",
        modalities=["text"],
        eval_splits=[hub.split],
        eval_langs=eval_langs(setting, LANGUAGES, QUERY_LANGUAGES.get(setting)),
        main_score="mrr_at_10" if crossing else "ndcg_at_10",
        date=("2022-06-01", "2023-01-30"),
        domains=["Encyclopaedic", "Written"],
        task_subtypes=["Question answering"],
        license="cc-by-sa-4.0",
        annotations_creators="expert-annotated",
        dialect=[],
        sample_creation="machine-translated" if crossing else "created",
        is_beta=crossing,
        prompt=_PROMPT,
        bibtex_citation=citations.MIRACL,
        adapted_from=["MIRACLRetrievalHardNegatives.v2" if hard else "MIRACLRetrieval"],
    )


class _AbsTaskTranslated(AbsTaskStreamedRetrieval):
    """Questions that were translated into another language, asked of the corpus of their own."""

    def source(self) -> HubSource:
        """The data, at a revision that names the translations too: other translations are another data set."""
        source = super().source()
        location = os.environ.get(TRANSLATIONS_VARIABLE)
        if not location:
            return source
        try:
            if location.startswith(SCHEME):  # a pinned commit says it all, and nothing is fetched before a run
                identity = location.rpartition("@")[2][:12]
            else:
                identity = TranslationFolder.open(resolve(location)).identity
        except TranslationError:  # said by `check`, when there is something to run
            return source
        return replace(source, revision=f"{source.revision}+translations-{identity}")

    def check(self) -> None:
        """See that there are translations of all kept subsets.

        Raises:
            TranslationError: There are none, or the folder cannot be used; the message says what to do.
        """
        super().check()
        folder = self._translations()
        missing = [name for name in self.hf_subsets if name not in folder.subsets()]
        if missing:
            raise TranslationError(
                f"{self.metadata.name}: {folder.path} has no translations for {', '.join(missing)}. Add them with "
                f"`mteb-hybrid translate`, or run the subsets that it has: {', '.join(folder.subsets())}"
            )

    def _translations(self) -> TranslationFolder:
        location = os.environ.get(TRANSLATIONS_VARIABLE)
        if not location:
            monolingual = self.metadata.name.replace(Setting.CROSS_LINGUAL.value, Setting.MONOLINGUAL.value)
            raise TranslationError(
                f"{self.metadata.name} asks translated questions, and nobody has published translations of MIRACL's. "
                "Make them with `mteb-hybrid translate --model facebook/nllb-200-distilled-600M --output DIR` (any "
                f"seq2seq model of transformers) and set {TRANSLATIONS_VARIABLE}=DIR, or to hf://OWNER/NAME@COMMIT. "
                f"Without translations, {monolingual} runs on the same corpora"
            )
        return TranslationFolder.open(resolve(location))

    def _questions(
        self, loaded: dict[str, RetrievalSplitData], name: str, subset: Subset
    ) -> tuple[Dataset, Mapping[str, Mapping[str, int]]]:
        (corpus_language,) = subset.passage_languages
        data = loaded[corpus_language]
        columns = data["queries"][:]
        topics = dict(zip(columns["id"], columns["text"], strict=True))
        translated = self._translations().read(name, topics, more_topics=self.hub is MIRACL_HARD_NEGATIVES)
        kept = [topic for topic in topics if topic in translated]
        queries = Dataset.from_dict({"id": kept, "text": [translated[topic] for topic in kept]})
        return queries, {topic: data["relevant_docs"][topic] for topic in kept}


class MIRACLMonolingual(AbsTaskStreamedRetrieval):
    """18 subsets, such as ``sw``: Swahili questions, Swahili passages."""

    hub = MIRACL
    setting = Setting.MONOLINGUAL
    planned = _planned(Setting.MONOLINGUAL)
    metadata = _metadata(Setting.MONOLINGUAL, MIRACL)


class MIRACLCrossLingual(_AbsTaskTranslated):
    """17 subsets, such as ``en-sw``: Swahili questions translated into English, Swahili passages."""

    hub = MIRACL
    setting = Setting.CROSS_LINGUAL
    planned = _planned(Setting.CROSS_LINGUAL)
    metadata = _metadata(Setting.CROSS_LINGUAL, MIRACL)


class MIRACLMultilingual(AbsTaskStreamedRetrieval):
    """18 subsets, such as ``sw``: Swahili questions, the passages of all 18 languages."""

    hub = MIRACL
    setting = Setting.MULTILINGUAL
    planned = _planned(Setting.MULTILINGUAL)
    metadata = _metadata(Setting.MULTILINGUAL, MIRACL)


class MIRACLMonolingualHardNegatives(MIRACLMonolingual):
    """`MIRACLMonolingual` on the hard negatives."""

    hub = MIRACL_HARD_NEGATIVES
    metadata = _metadata(Setting.MONOLINGUAL, MIRACL_HARD_NEGATIVES)


class MIRACLCrossLingualHardNegatives(MIRACLCrossLingual):
    """`MIRACLCrossLingual` on the hard negatives."""

    hub = MIRACL_HARD_NEGATIVES
    metadata = _metadata(Setting.CROSS_LINGUAL, MIRACL_HARD_NEGATIVES)


class MIRACLMultilingualHardNegatives(MIRACLMultilingual):
    """`MIRACLMultilingual` on the hard negatives."""

    hub = MIRACL_HARD_NEGATIVES
    metadata = _metadata(Setting.MULTILINGUAL, MIRACL_HARD_NEGATIVES)
