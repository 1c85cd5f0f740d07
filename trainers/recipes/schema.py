"""What a recipe says: its tables and keys, their ranges and defaults.

Types are strict: ``"1"`` is no number. What needs more than one key to be wrong is checked last and names the key that
a reader would change.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from mteb_hybrid.collections import SHIPPED

Metric = Literal[
    "loss", "monolingual_map", "cross_lingual_map", "multilingual_map", "rank_distance", "rank_distance_median"
]
Text = Annotated[str, Field(min_length=1)]
Languages = Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _warmup(value: Any) -> int | float:
    return _share_or_number(value, 0, "[0, 1)")


def _held_out(value: Any) -> int | float:
    return _share_or_number(value, 1, "(0, 1)")


def _collection(value: Any) -> str:
    """The name of a collection of `SHIPPED`; the error is that of a choice from a list."""
    if not isinstance(value, str) or value not in SHIPPED:
        *others, last = map(repr, SHIPPED)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(others)} or {last}"})
    return value


def _share_or_number(value: Any, least: int, share: str) -> int | float:
    """A whole number of at least ``least``, or a share, which is written with a point.

    Raises:
        PydanticCustomError: It is neither; a plain union of both would complain about each on its own.
    """
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if whole or (isinstance(value, float) and (0 < value < 1 or (value == 0 and share[0] == "["))):
        return value  # type: ignore[no-any-return]
    raise PydanticCustomError("share", f"must be a share in {share} or a whole number of at least {least}")


CollectionName = Annotated[str, PlainValidator(_collection)]


class Table(BaseModel):
    """Base of all tables: unknown keys are errors, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelTable(Table):
    """``[model]``: which encoder is trained, and how texts are put to it.

    Attributes:
        name: Name on the hub, or a directory; a relative one is relative to the working directory.
        revision: Commit, branch or tag on the hub.
        max_seq_length: Texts are cut after so many tokens. Default: the model's own.
        query_prompt: Put in front of every query, in training and, saved in the model, wherever it is used later.
        passage_prompt: The same for passages.
        gradient_checkpointing: Compute activations again in the backward pass: less memory, more time.
    """

    name: Text
    revision: Text | None = None
    max_seq_length: Annotated[int, Field(ge=2)] | None = None
    query_prompt: str = "Query: "
    passage_prompt: str = "Passage: "
    gradient_checkpointing: bool = False


class DataTable(Table):
    """What all ``[[data]]`` tables have.

    Attributes:
        languages: Which to read. Default: all.
        fraction: Share of the items to train on, in (0, 1]. A smaller share is part of a larger one, and what is held
            out for evaluation does not depend on it.
    """

    languages: Languages | None = None
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0


class CollectionData(DataTable):
    """``kind = "collection"``: one of the package's own collections, by name."""

    kind: Literal["collection"]
    name: CollectionName


class TableData(DataTable):
    """``kind = "wide"`` or ``"long"``: a table, as `ParallelDataset.from_wide` and `from_long` describe them.

    Attributes:
        path: Folder of ``Dataset.save_to_disk``, or a file: .parquet, .jsonl, .json, .csv or .tsv.
        name: What the data is called in logs and model card. Default: the file's name.
    """

    kind: Literal["wide", "long"]
    path: Text
    name: Text | None = None


class PairsData(Table):
    """``kind = "pairs"``: a table for each language pair, as `ParallelDataset.from_dict` describes them.

    Attributes:
        pairs: Path of a folder or file by pair, query language first: ``en-de = "en-de.parquet"``.
        name: What the data is called in logs and model card.
        fraction: As in the other tables.
    """

    kind: Literal["pairs"]
    pairs: Annotated[dict[str, Text], Field(min_length=1)]
    name: Text = "pairs"
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0


class BeirData(DataTable):
    """``kind = "beir"``: a folder in BEIR's layout for each language, as `ParallelDataset.from_beir` describes them.

    Attributes:
        path: Folder that holds a folder for each language, named by it; or
        folders: folder by language: ``en = "nq-en"``. One of the two must be there.
        split: Whose judgments to read.
        name: What the data is called in logs and model card.
    """

    kind: Literal["beir"]
    path: Text | None = None
    folders: Annotated[dict[str, Text], Field(min_length=1)] | None = None
    split: Text = "train"
    name: Text = "beir"

    @model_validator(mode="after")
    def _has_folders(self) -> BeirData:
        if (self.path is None) == (self.folders is None):
            raise ValueError("path: give either path or folders")
        return self


class MmarcoData(DataTable):
    """``kind = "mmarco"``: the machine-translated MS MARCO, from the hub or from a local copy of its layout.

    Attributes:
        path: Folder with the files of the hub's repository. Default: they are fetched, in the languages that are named.
        revision: Commit of the hub's repository. Default: one that is known to work.
        negatives: Negatives of each item.
        max_items: Read only the first so many items.
        name: What the data is called in logs and model card.
    """

    kind: Literal["mmarco"]
    path: Text | None = None
    revision: Text | None = None
    negatives: Annotated[int, Field(ge=0)] = 1
    max_items: Count | None = None
    name: Text = "mmarco"

    @model_validator(mode="after")
    def _names_languages(self) -> MmarcoData:
        if self.path is None and self.languages is None:
            raise ValueError(
                "languages: must be named, because each is several GB to fetch; or give the path of a copy"
            )
        return self


Data = Annotated[CollectionData | TableData | PairsData | BeirData | MmarcoData, Field(discriminator="kind")]


class SamplingTable(Table):
    """``[sampling]``: how several ``[[data]]`` tables share the batches.

    Attributes:
        temperature: Data is drawn in proportion to its number of items to the power of 1 / temperature: 1 in proportion
            to its size, as in the paper, larger values more evenly.
    """

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class SamplerTable(Table):
    """``[sampler]``: what batches are made of; the options of `HybridBatchSampler`.

    Attributes:
        alpha: Probability of a monolingual (X-X) batch, in [0, 1].
        languages: Which to train on. Default: all of the data.
        monolingual: ``one-language``, or ``mixed`` for LAReQA's X-X batches.
        language_weights: Weights of languages in X-X batches. Default: equal.
        pair_weights: Weights of pairs in X-Y batches, query language first: ``en-de = 2.0``. Default: equal.
        steps_per_epoch: Steps of an epoch. Default: one pass over the items.
    """

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    languages: Languages | None = None
    monolingual: Literal["one-language", "mixed"] = "one-language"
    language_weights: dict[str, Weight] | None = None
    pair_weights: dict[str, Weight] | None = None
    steps_per_epoch: Count | None = None


class LossTable(Table):
    """``[loss]``: the options of `HybridLoss`.

    Attributes:
        scale: What similarities are multiplied with, the inverse of the temperature.
        mini_batch_size: Texts that are embedded at once, with gradient caching. Default: the whole batch.
        gather_across_devices: Whether passages of all processes are negatives.
        directions: Directions of the contrast.
        positives: ``parallel`` also trains on the passage in another language.
        consistency: Weight of the divergence between the scores of a query and its translation; 0 is off.
    """

    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20.0
    mini_batch_size: Count | None = None
    gather_across_devices: bool = False
    directions: Annotated[
        tuple[Literal["query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"], ...],
        Field(strict=False, min_length=1),
    ] = ("query_to_doc",)
    positives: Literal["own", "parallel"] = "own"
    consistency: Weight = 0.0

    @model_validator(mode="after")
    def _has_positive(self) -> LossTable:
        if "query_to_doc" not in self.directions:
            raise ValueError("directions: must have 'query_to_doc', where the positive is")
        return self


class TrainingTable(Table):
    """``[training]``: how long and how. The optimiser is AdamW.

    Attributes:
        steps: Optimiser steps; or
        epochs: passes over the items. One of the two must be there.
        batch_size: Rows of a batch, for one process.
        learning_rate: The highest, after the warm-up.
        weight_decay: AdamW's.
        warmup: Steps over which the learning rate rises: a whole number, or a share of all steps in [0, 1).
        schedule: How the learning rate falls after the warm-up.
        max_grad_norm: Gradients are clipped to this norm.
        gradient_accumulation: Batches for one optimiser step.
        seed: Of batches, dropout, and which items a fraction takes.
        precision: ``bf16`` and ``fp16`` are mixed precision: the weights are float32, also of a model that was
            saved in less.
        logging_steps: Steps between two lines of the log.
        save_every: Steps between two checkpoints. Default: as often as evaluations, else every 500.
        keep_checkpoints: How many stay on disk, beside the best one.
        patience: Stop when so many evaluations in a row were no better than the best one. Default: never.
        load_best: Whether the model of the best evaluation is the result. Default: if there is a patience.
        workers: Processes that read data; 0 reads in the training process.
    """

    steps: Count | None = None
    epochs: Annotated[float, Field(gt=0, le=1e6)] | None = None
    batch_size: Annotated[int, Field(ge=2)] = 100
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 3e-5
    weight_decay: Weight = 1e-2
    warmup: Annotated[int | float, PlainValidator(_warmup)] = 0.1
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    max_grad_norm: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    gradient_accumulation: Count = 1
    seed: Seed = 0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    logging_steps: Count = 10
    save_every: Count | None = None
    keep_checkpoints: Count = 2
    patience: Count | None = None
    load_best: bool | None = None
    workers: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _has_length(self) -> TrainingTable:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("steps: give either steps or epochs")
        return self

    @property
    def keeps_best(self) -> bool:
        """Whether the model of the best evaluation is the result."""
        return self.patience is not None if self.load_best is None else self.load_best


class EvaluationTable(Table):
    """``[evaluation]``: what is measured during training, on items that are not trained on.

    Attributes:
        held_out: Share of the items, in (0, 1), or their number. They give the held-out loss and, unless a collection
            is named, the retrieval metrics.
        seed: Which items are held out; apart from ``training.seed``, so that runs with different seeds compare.
        languages: Which to evaluate on; ``["en"]`` is the paper's English validation loss. Default: those of training,
            as far as a named collection has them.
        metric: What decides which model is best: ``loss``, or a metric of `ParallelRetrievalEvaluator`.
        collection: Collection of the retrieval metrics instead of the held-out items.
        max_queries: Questions of each language that are asked for the retrieval metrics.
        max_passages: Passages of each language that are searched, the relevant ones among them.
        every: Steps between two evaluations.
        batch_size: Rows of a batch of the held-out loss. Default: as in training.
    """

    held_out: Annotated[int | float, PlainValidator(_held_out)] | None = None
    seed: Seed = 0
    languages: Languages | None = None
    metric: Metric = "loss"
    collection: CollectionName | None = None
    max_queries: Count | None = None
    max_passages: Count | None = None
    every: Count = 500
    batch_size: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _has_data(self) -> EvaluationTable:
        if self.held_out is None and (self.metric == "loss" or self.collection is None):
            raise ValueError(f"held_out: is missing, and metric = {self.metric!r} needs it")
        return self

    @property
    def retrieves(self) -> bool:
        """Whether retrieval metrics are computed."""
        return self.metric != "loss" or self.collection is not None


class OutputTable(Table):
    """``[output]``: where the model goes.

    Attributes:
        directory: The model's directory; its folder ``training`` holds checkpoints and logs.
    """

    directory: Text | None = None


class RecipeTables(Table):
    """A whole recipe."""

    model: ModelTable
    data: Annotated[tuple[Data, ...], Field(strict=False, min_length=1)]
    sampling: SamplingTable = SamplingTable()
    sampler: SamplerTable = SamplerTable()
    loss: LossTable = LossTable()
    training: TrainingTable
    evaluation: EvaluationTable | None = None
    output: OutputTable = OutputTable()

    @model_validator(mode="after")
    def _fits_together(self) -> RecipeTables:
        training, evaluation = self.training, self.evaluation
        if evaluation is None:
            for key in ("patience", "load_best"):
                if getattr(training, key):
                    raise ValueError(f"training.{key}: needs an [evaluation] table")
        elif training.keeps_best and training.save_every is not None and training.save_every % evaluation.every:
            raise ValueError(
                f"training.save_every: must be a multiple of evaluation.every = {evaluation.every} where the best "
                f"model is the result, got {training.save_every}"
            )
        return self

    @property
    def parallel(self) -> bool:
        """Whether the loss needs every row in another language too."""
        return self.loss.positives == "parallel" or self.loss.consistency > 0

    @property
    def save_every(self) -> int:
        """Steps between two checkpoints."""
        if self.training.save_every is not None:
            return self.training.save_every
        return 500 if self.evaluation is None else self.evaluation.every

    def plain(self) -> dict[str, Any]:
        """All keys, defaults among them, as TOML has them; keys that are not set are left out."""
        return self.model_dump(mode="json", exclude_none=True)
