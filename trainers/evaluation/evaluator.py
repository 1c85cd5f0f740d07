"""Retrieval in all settings of a parallel collection, measured during training on the kernel that our tasks rank with.

This module knows sentence-transformers, but not MTEB; that both report the same numbers is a test.
"""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from mteb_hybrid.embeddings import checked_embeddings
from mteb_hybrid.errors import EmbeddingError, OptionError
from mteb_hybrid.model_similarity import rank_with_model_similarity, recognise_similarity
from mteb_hybrid.ranking import RankCounter
from mteb_hybrid.trainers.evaluation.csv_rows import add_row
from mteb_hybrid.trainers.evaluation.item_parts import item_parts
from mteb_hybrid.trainers.evaluation.judged import METRICS, JudgedLanguages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator

    from mteb_hybrid.collections import LanguagePart, ParallelCollection
    from mteb_hybrid.counted import Ranking
    from mteb_hybrid.exact import Similarity
    from mteb_hybrid.trainers.data.parallel_dataset import ParallelDataset
    from mteb_hybrid.trainers.evaluation.judged import AskedQuestions
else:
    try:
        from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator
    except ImportError:  # where it stood before sentence-transformers 5.4; since then that place warns
        from sentence_transformers.evaluation import SentenceEvaluator

logger = logging.getLogger(__name__)

__all__ = ["METRICS", "ParallelRetrievalEvaluator"]

_LOWER_IS_BETTER = ("rank_distance", "rank_distance_median")


class ParallelRetrievalEvaluator(SentenceEvaluator):
    """MAP in the monolingual, the cross-lingual and the pooled multilingual setting, and rank distance.

    Definitions of arXiv 2408.10536, sections 3.2 and 4.1. Every score is over full rankings; first the mean over the
    questions of a setting, then the mean over settings:

    - ``monolingual_map``: questions of X against the passages of X, for every language X.
    - ``cross_lingual_map``: questions of X against the passages of Y, for every ordered pair of different languages;
      of the questions of X those that Y has too. Absent where no question is in two languages.
    - ``multilingual_map``: questions of X against the passages of all languages in one pool.
    - ``rank_distance``: in that pool the rank of the lowest relevant passage minus that of the highest, macro-averaged
      over the languages of the questions; lower is better, and says nothing without MAP. ``rank_distance_median`` has
      the median over questions in place of the mean. Absent where no question has two relevant passages.

    They are what our MTEB tasks report for the same model and collection, with all questions and all passages. What can
    part them: a model that was trained in mixed precision goes on encoding in it until it is loaded anew, prompts that
    are saved under the names of tasks or task types are known to MTEB only, and near-ties hang on the last bits of
    embeddings, which differ between batches and devices.

    The model's train or eval mode is left as it was, module by module, and no random numbers are drawn.

    Args:
        parts: The languages of the collection.
        name: Put in front of every metric, as in ``xquad-r_multilingual_map``; the trainer adds ``eval_``.
        batch_size: Texts per batch.
        query_prompt: Put in front of every question. By default the model's own, as ``model.encode_query`` finds it:
            its saved prompt ``query``.
        passage_prompt: Put in front of every passage. By default the model's own, as ``model.encode_document`` finds
            it: its saved prompt ``document``, then ``passage``, then ``corpus``. A model that was saved with a
            ``passage`` prompt and no ``document`` prompt has an empty ``document`` prompt, and that is the one used.
        query_prompt_name: Another of the model's saved prompts for questions.
        passage_prompt_name: Another of the model's saved prompts for passages.
        max_queries: Ask at most so many questions of each language. They are the first by a hash of their ids, so that
            languages share them as far as they have the same ones.
        max_passages: Search at most so many passages of each language, but always all that are relevant for a question
            that is asked. A smaller pool is an easier one: scores compare only at the same number.
        passage_ids: Per language the ids of its passages, which decide among equal scores as in trec_eval; by default
            hashes of language and position.
        per_language: Also report ``multilingual_map_<xx>`` for the questions of each language.
        main_metric: The metric, without ``name``, that `primary_metric` is about. Where it is a rank distance,
            `greater_is_better` is False; the trainer does not ask, so tell it by ``greater_is_better=False`` in its
            arguments too.
        write_csv: Add a line to ``Parallel-Retrieval_evaluation_<name>_results.csv`` in the output folder, in place of
            those of the same or later steps: a training that goes on from a checkpoint comes to these again, and where
            the best model is evaluated at the end, the last line is its.
        show_progress_bar: Show bars while encoding.

    Raises:
        CollectionError: No question has a relevant passage.
        OptionError: No parts, a language twice, a number below 1, a prompt together with a prompt's name, not one id
            for each passage, or a main metric that these data do not define.

    Example:
        ::

            evaluator = ParallelRetrievalEvaluator.from_collection(xquad_r(), ["ar", "de", "en"], max_queries=200)
            SentenceTransformerTrainer(..., evaluator=evaluator)  # logs eval_xquad-r_multilingual_map and the others
    """

    def __init__(
        self,
        parts: Sequence[LanguagePart],
        *,
        name: str = "",
        batch_size: int = 32,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        query_prompt_name: str | None = None,
        passage_prompt_name: str | None = None,
        max_queries: int | None = None,
        max_passages: int | None = None,
        passage_ids: Mapping[str, Sequence[str]] | None = None,
        per_language: bool = False,
        main_metric: str = "multilingual_map",
        write_csv: bool = True,
        show_progress_bar: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        for what, number in (("batch_size", batch_size), ("max_queries", max_queries), ("max_passages", max_passages)):
            if number is not None and number < 1:
                raise OptionError(f"{what} must be at least 1, not {number}")
        for role, prompt, prompt_name in (
            ("query", query_prompt, query_prompt_name),
            ("passage", passage_prompt, passage_prompt_name),
        ):
            if prompt is not None and prompt_name is not None:
                raise OptionError(f"give {role}_prompt ({prompt!r}) or {role}_prompt_name ({prompt_name!r}), not both")
        self.name = name
        self.batch_size = batch_size
        self.query_prompt, self.query_prompt_name = query_prompt, query_prompt_name
        self.passage_prompt, self.passage_prompt_name = passage_prompt, passage_prompt_name
        self.max_queries, self.max_passages = max_queries, max_passages
        self.per_language = per_language
        self.write_csv = write_csv
        self.show_progress_bar = show_progress_bar
        self._judged = JudgedLanguages.of(parts, passage_ids, max_queries=max_queries, max_passages=max_passages)
        self.metrics = self._judged.defined(per_language=per_language)
        if main_metric not in self.metrics:
            raise OptionError(
                f"main_metric must be one of {', '.join(self.metrics)} on these data, not {main_metric!r}"
            )
        self.primary_metric = f"{name}_{main_metric}" if name else main_metric
        self.greater_is_better = main_metric not in _LOWER_IS_BETTER
        self.csv_file = f"Parallel-Retrieval_evaluation{f'_{name}' if name else ''}_results.csv"

    @classmethod
    def from_collection(
        cls, collection: ParallelCollection, languages: Iterable[str] | None = None, **options: Any
    ) -> Self:
        """The evaluator of a collection; its name is the collection's, unless ``name`` is given.

        Args:
            collection: Whatever `mteb_hybrid.collections` has, or your own.
            languages: Two-letter codes; by default all of its languages.
            options: As in the class; ``max_queries`` and ``max_passages`` make it small.

        Raises:
            CollectionError: The collection lacks a language, or its file is missing or damaged.
        """
        parts = [collection.load(language) for language in (collection.languages if languages is None else languages)]
        ids = {part.language: collection.passage_ids(part.language, len(part.passages)) for part in parts}
        return cls(parts, **{"name": collection.name, "passage_ids": ids, **options})

    @classmethod
    def from_dataset(cls, dataset: ParallelDataset, **options: Any) -> Self:
        """The evaluator of training items, such as those that `ParallelDataset.split_items` holds out.

        Their passages are searched, each distinct text of a language once. A passage is relevant for a query if an item
        with that query's text has it.

        Args:
            dataset: The items.
            options: As in the class; ``max_queries`` and ``max_passages`` make it small.

        Raises:
            TrainingDataError: No language has both queries and passages.
        """
        return cls(item_parts(dataset), **options)

    def __call__(  # type: ignore[override]  # of models that encode questions and passages
        self, model: SentenceTransformer, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Encode, rank and score.

        Args:
            model: The model, in any mode, precision and place.
            output_path: Folder of the CSV file; None for none.
            epoch: Epoch of the training, for the CSV file, the model card and messages; -1 outside of one.
            steps: Steps of the training, likewise.

        Returns:
            The metrics that these data define, with ``name`` in front.

        Raises:
            EmbeddingError: The model's embeddings cannot be ranked; the message names evaluator, step and text.
            StorageError: The CSV file cannot be written.
        """
        when = "" if epoch == -1 else f" in epoch {epoch:g}" if steps == -1 else f" in epoch {epoch:g}, step {steps}"
        describe = f"{type(self).__name__} {self.name!r}{when}"
        options = {"batch_size": self.batch_size, "show_progress_bar": self.show_progress_bar}
        encode_query = partial(
            model.encode_query, prompt=self.query_prompt, prompt_name=self.query_prompt_name, **options
        )
        encode_passage = partial(
            model.encode_document, prompt=self.passage_prompt, prompt_name=self.passage_prompt_name, **options
        )
        data = self._judged
        with _modes_kept(model):
            questions = [asked.texts for asked in data.asked]
            queries = _embed(encode_query, questions, data.languages, f"{describe}, questions")
            passages = _embed(encode_passage, data.passages, data.languages, f"{describe}, passages")
        if queries.shape[1] != passages.shape[1]:
            raise EmbeddingError(
                f"{describe}: the model returned questions of dimension {queries.shape[1]} and passages of dimension "
                f"{passages.shape[1]}; they must have the same"
            )
        scores = self._scores(model, queries, passages, describe)
        logger.info("%s: %s", describe, ", ".join(f"{name} {score:.4f}" for name, score in scores.items()))
        if output_path is not None and self.write_csv and _is_first_process():
            add_row(Path(output_path) / self.csv_file, epoch, steps, scores)
        metrics: dict[str, float] = self.prefix_name_to_metrics(scores, self.name)
        self.store_metrics_in_model_card_data(model, metrics, epoch, steps)  # type: ignore[arg-type]  # takes floats
        return metrics

    def get_config_dict(self) -> dict[str, Any]:
        """What the model card says about this evaluator."""
        numbers = {
            "languages": list(self._judged.languages),
            "questions": sum(len(asked.texts) for asked in self._judged.asked),
            "passages": len(self._judged.order),
        }
        chosen = ("query_prompt", "passage_prompt", "query_prompt_name", "passage_prompt_name", "max_queries",
                  "max_passages")  # fmt: skip
        return numbers | {name: getattr(self, name) for name in chosen if getattr(self, name) is not None}

    def _scores(
        self, model: SentenceTransformer, queries: NDArray[np.float32], passages: NDArray[np.float32], describe: str
    ) -> dict[str, float]:
        """The metrics from the embeddings of all questions and all passages, each in the order of the languages."""
        data = self._judged
        similarity = recognise_similarity(
            model.similarity, queries, passages, model.similarity_fn_name, describe=describe
        )
        ends = np.cumsum([len(asked.texts) for asked in data.asked])
        by_language = np.split(queries, ends[:-1])  # not all at once: each relevant pair holds an embedding
        rankings = [
            _rank(model, similarity, here, passages, asked, data, describe) if len(here) else None
            for here, asked in zip(by_language, data.asked, strict=True)
        ]
        scores = data.scores(rankings)
        return {name: scores[name] for name in self.metrics}


def _embed(
    encode: Callable[[list[str]], Any],
    texts: Sequence[tuple[str, ...]],
    languages: tuple[str, ...],
    describe: str,
) -> NDArray[np.float32]:
    """Embeddings of the texts of all languages in one matrix, float32; each distinct text is encoded once.

    Language by language, as a run of our tasks encodes them: the last bits of an embedding depend on its batch.
    """
    row: dict[str, int] = {}
    blocks = []
    for language, here in zip(languages, texts, strict=True):
        unknown = [text for text in dict.fromkeys(here) if text not in row]
        if unknown:
            row.update(zip(unknown, range(len(row), len(row) + len(unknown)), strict=True))
            blocks.append(checked_embeddings(encode(unknown), unknown, f"{describe} of {language}: the model"))
    return np.concatenate(blocks)[[row[text] for here in texts for text in here]]


def _rank(
    model: SentenceTransformer,
    similarity: Similarity | None,
    queries: NDArray[np.float32],
    passages: NDArray[np.float32],
    asked: AskedQuestions,
    data: JudgedLanguages,
    describe: str,
) -> Ranking:
    """Counts above the relevant passages of one language's questions, one segment per language of the pool."""
    segments, pair_query, pair_passage = len(data.languages), asked.pair_query, asked.pair_passage
    if similarity is None:
        return rank_with_model_similarity(
            model.similarity, queries, passages, data.order, data.passage_language, pair_query, pair_passage,
            segments=segments, describe=describe,
        )  # fmt: skip
    counter = RankCounter(
        queries, pair_query, passages[pair_passage], data.order[pair_passage], similarity=similarity, segments=segments,
        device=model.device if model.device.type in ("cpu", "cuda") else "cpu",  # the kernel needs float64
    )  # fmt: skip
    counter.count(passages, data.order, data.passage_language)
    return counter.result()


@contextlib.contextmanager
def _modes_kept(model: torch.nn.Module) -> Iterator[None]:
    """Put every module back into its train or eval mode: encoding switches all of them to eval."""
    before = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def _is_first_process() -> bool:
    """Whether this process writes files; before 6.0 every process of a distributed training runs the evaluator."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not distributed or torch.distributed.get_rank() == 0
