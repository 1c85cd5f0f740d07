"""Exact ranks over streamed corpora: each corpus is encoded once for all subsets of a task that search it."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from mteb.types import PromptType

from mteb_hybrid.collections.remote import cache_folder
from mteb_hybrid.counted import merge_rankings
from mteb_hybrid.fingerprint import model_fingerprint
from mteb_hybrid.streaming.corpus import passage_of
from mteb_hybrid.streaming.kept import KeptEmbeddings, keeps_embeddings
from mteb_hybrid.streaming.progress import Progress, sweep
from mteb_hybrid.tasks.engine import engine
from mteb_hybrid.tasks.ranked import RankedSubset, list_depth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mteb_hybrid.counted import Ranking
    from mteb_hybrid.streaming.corpus import Corpus
    from mteb_hybrid.streaming.passes import Questions
    from mteb_hybrid.tasks.embedder import Embedder
    from mteb_hybrid.tasks.ranked import JudgedQueries

logger = logging.getLogger(__name__)


def qualified(language: str, passage_id: str) -> str:
    """Id of a passage in a pool, where ids of different languages collide."""
    return f"{language}:{passage_id}"


def pool_position(passage_id: str, languages: tuple[str, ...]) -> int:
    """Position of a qualified passage's language; KeyError for a language that the pool does not have."""
    language = passage_id.partition(":")[0]
    if language not in languages:
        raise KeyError(passage_id)
    return languages.index(language)


@dataclass(frozen=True, slots=True)
class StreamedSubset:
    """A subset whose corpora are streamed.

    Attributes:
        ranker: Ranks all subsets of the task.
        name: This subset's name.
    """

    ranker: StreamedRanker
    name: str

    @property
    def data(self) -> JudgedQueries:
        """Its questions and judgments."""
        return self.ranker.subsets[self.name]

    def language_of(self, passage_id: str) -> int:
        """Language of a passage as a position in the pool's languages; KeyError for an unknown language."""
        return pool_position(passage_id, self.data.languages) if self.data.pooled else 0

    def tie_key(self, passage_id: str) -> str:
        """The id where all are of one language, else a hash of it: ids of a pool begin with their language."""
        return hashlib.sha256(passage_id.encode()).hexdigest() if self.data.pooled else passage_id

    def rank(self, embedder: Embedder) -> RankedSubset | None:
        """Exact ranks of the relevant passages; None for a similarity that is neither cosine nor dot product."""
        return self.ranker.rank(embedder, self.name)


@dataclass
class StreamedRanker:
    """Ranks the subsets of one task.

    Attributes:
        corpora: The corpora by language.
        subsets: Questions and judgments of the kept subsets by name.
    """

    corpora: Mapping[str, Corpus]
    subsets: Mapping[str, JudgedQueries]
    _done: dict[str, dict[str, Ranking]] = field(default_factory=dict)
    _progress: list[Progress] = field(default_factory=list)
    _known: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)

    def rank(self, embedder: Embedder, name: str) -> RankedSubset | None:
        """Exact ranks of one subset; those that search the same pool are ranked with it, in one pass.

        Raises:
            EmbeddingError: The model's embeddings cannot be ranked. Finished chunks are kept.
            CollectionError: A relevant passage is not in its corpus.
        """
        together = [other for other, data in self.subsets.items() if data.languages == self.subsets[name].languages]
        questions = self._questions(embedder, together)
        if not embedder.is_shared():  # known now that queries and documents were embedded
            together = [name]
            questions = self._questions(embedder, together)
        if questions is None:
            logger.warning(
                "%s has a similarity of its own: it goes through MTEB's search, which returns lists, not full rankings",
                embedder.describe,
            )
            return None
        key = self._key(embedder, together, questions)
        digest = _digest(key)
        # names and revisions may be shared by models, their embeddings are not
        here = f"{digest} {questions.digest()}"
        if here not in self._done:
            self._done = {here: self._count(embedder, together, questions, key, digest)}
        return self._ranked(name, self._done[here][name], questions.similarity)

    def discard(self) -> None:
        """Forget the counts, and remove what was kept on disk to go on from."""
        self._done.clear()
        for progress in self._progress:
            progress.discard()
        self._progress.clear()

    def _questions(self, embedder: Embedder, names: list[str]) -> Questions | None:
        """The embedded questions of some subsets, one after the other; None for a similarity of the model's own."""
        from mteb_hybrid.model_similarity import recognise_similarity
        from mteb_hybrid.streaming.passes import Questions
        from mteb_hybrid.tasks.dense import check_dimensions
        from mteb_hybrid.tasks.embedder import declared_similarity

        data = [self.subsets[name] for name in names]
        top_k = list_depth(data[0])  # the same for all of them, as their pool is
        texts: dict[str, int] = {}
        pair_text, pair_order = [], []
        for one in data:
            for language, passage in self._relevant(one):
                order, text = self._known[language][passage]
                pair_text.append(texts.setdefault(text, len(texts)))
                pair_order.append(order)
        queries = embedder.embed([query for one in data for query in one.queries], PromptType.query)
        relevant = embedder.embed(list(texts), PromptType.document)
        check_dimensions(embedder, data[0], queries.shape[1], relevant.shape[1])
        model = embedder.model
        similarity = recognise_similarity(
            model.similarity, queries, relevant, declared_similarity(model), describe=embedder.describe
        )
        if similarity is None:
            return None
        offsets = np.cumsum([0, *(len(one.query_ids) for one in data)])
        return Questions(
            queries=queries,
            pair_query=np.concatenate([one.pair_query + offset for one, offset in zip(data, offsets, strict=False)]),
            pair_order=np.array(pair_order, dtype=np.int64),
            pair_text=np.array(pair_text, dtype=np.int64),
            texts=texts,
            relevant=relevant,
            similarity=similarity,
            top_k=top_k,
        )

    def _relevant(self, data: JudgedQueries) -> list[tuple[str, str]]:
        """Corpus and id of each relevant pair's passage, whose positions and texts are in ``_known`` from now on."""
        passages = data.pair_id.tolist()
        pairs = [
            (data.languages[position], passage.partition(":")[2] if data.pooled else passage)
            for passage, position in zip(passages, data.pair_language, strict=True)
        ]
        for language, corpus in self.corpora.items():
            known = self._known.setdefault(language, {})
            unknown = {passage for own, passage in pairs if own == language} - known.keys()
            if unknown:
                found = corpus.find(unknown)
                rows = list(found.values())
                orders, texts = corpus.order(np.array(rows, dtype=np.int64)).tolist(), corpus.texts(rows)
                known.update(zip(found, zip(orders, texts, strict=True), strict=True))
        return pairs

    def _key(self, embedder: Embedder, names: list[str], questions: Questions) -> dict[str, Any]:
        """Everything that the counts hang on."""
        meta = getattr(embedder.model, "mteb_model_meta", None)
        texts = [query for name in names for query in self.subsets[name].queries]
        asked = hashlib.sha256("\0".join((*texts, *questions.texts)).encode("utf-8", "surrogatepass"))
        for array in (questions.pair_query, questions.pair_order, questions.pair_text):
            asked.update(np.ascontiguousarray(array).tobytes())
        return {
            "model": str(getattr(meta, "name", None)),
            "revision": _known_revision(meta),
            "weights": model_fingerprint(embedder.model),
            "encoder": type(embedder.model).__qualname__,
            "prompts": [repr(embedder.key(role)) for role in PromptType],
            "questions": asked.hexdigest(),
            "subsets": names,
            "corpora": {language: self.corpora[language].identity() for language in self.subsets[names[0]].languages},
            "similarity": questions.similarity,
            "dimension": int(questions.queries.shape[1]),
            "top_k": questions.top_k,
        }

    def _count(
        self, embedder: Embedder, names: list[str], questions: Questions, key: dict[str, Any], digest: str
    ) -> dict[str, Ranking]:
        """Counts of all corpora of a pool, by subset."""
        from mteb_hybrid.streaming.passes import CorpusPass

        nameless = key["weights"] is None and key["revision"] is None
        root = cache_folder() / "passes"
        sweep(root)
        progress = Progress(None if nameless else root / digest)
        questions = _anchored(questions, progress, embedder.describe)
        progress.describe(key)
        self._progress.append(progress)
        encoder = {field: key[field] for field in ("model", "revision", "weights", "encoder", "dimension")}
        encoder["prompt"] = repr(embedder.key(PromptType.document))
        folder = _digest(encoder)
        keep = keeps_embeddings() and not nameless
        passes = []
        for language in self.subsets[names[0]].languages:
            corpus = self.corpora[language]
            kept = cache_folder() / "embeddings" / folder / f"{language}-{corpus.identity()}" if keep else None
            one = CorpusPass(
                corpus=corpus,
                questions=questions,
                encode=lambda texts: embedder.embed_once(texts, PromptType.document),
                progress=progress,
                kept=KeptEmbeddings(kept),
                describe=embedder.describe,
            )
            passes.append(one)
        merged = merge_rankings(engine().count(embedder, passes))
        counted, query, pair = {}, 0, 0
        for name in names:
            data = self.subsets[name]
            queries, pairs = len(data.query_ids), len(data.pair_query)
            counted[name] = merged.select(slice(query, query + queries), slice(pair, pair + pairs))
            query, pair = query + queries, pair + pairs
        return counted

    def _ranked(self, name: str, ranking: Ranking, similarity: str) -> RankedSubset:
        data = self.subsets[name]
        top_id = np.full(ranking.top_order.shape, None, dtype=object)
        top_language = np.full(ranking.top_order.shape, -1, dtype=np.int64)
        number, row = passage_of(ranking.top_order.clip(0))
        for position, language in enumerate(data.languages):
            corpus = self.corpora[language]
            here = (number == corpus.number) & (ranking.top_order >= 0)
            rows, place = np.unique(row[here], return_inverse=True)
            ids = corpus.ids(rows.tolist())
            shown = [qualified(language, one) for one in ids] if data.pooled else ids
            top_id[here] = np.array([*shown, None], dtype=object)[place]
            top_language[here] = position
        pairs = np.arange(len(data.pair_query))
        return RankedSubset(
            data=data,
            rank=ranking.ranks(),
            own_rank=1 + ranking.above[pairs, data.pair_language],
            retrieved=np.ones(len(pairs), dtype=bool),
            depth=None,
            top_id=top_id,
            top_language=top_language,
            top_score=ranking.top_scores,
            similarity=similarity,
        )


def _known_revision(meta: Any) -> str | None:
    """A model's revision; None for what MTEB writes where it knows none."""
    revision = getattr(meta, "revision", None)
    return None if revision in (None, "", "None", "no_revision_available") else str(revision)


def _digest(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _anchored(questions: Questions, progress: Progress, describe: str) -> Questions:
    """The questions with the embeddings that an earlier run began to count with, if it did.

    Encoding them again gives the same but for the last bits, and counts taken with other bits do not add up.
    """
    from mteb_hybrid.streaming.passes import same_model

    earlier = progress.load_anchors()
    if earlier is not None:
        if same_model(earlier["queries"], questions.queries) and same_model(earlier["relevant"], questions.relevant):
            return replace(questions, queries=earlier["queries"], relevant=earlier["relevant"])
        logger.warning("%s embeds the questions differently from the run before: counting anew", describe)
    progress.discard()
    progress.save_anchors(questions.queries, questions.relevant)
    return questions
