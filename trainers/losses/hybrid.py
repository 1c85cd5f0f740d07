"""The loss of hybrid training: InfoNCE that knows which rows are the same item in other languages."""

from __future__ import annotations

import functools
import logging
import math
from typing import TYPE_CHECKING, Any, Literal

import torch
from sentence_transformers.util import cos_sim
from torch import Tensor, nn

from mteb_hybrid.citations import HYBRID
from mteb_hybrid.errors import OptionError, TrainingDataError
from mteb_hybrid.trainers.losses.contrast import Contrast
from mteb_hybrid.trainers.losses.objective import WHAT_A_LABEL_IS, BatchLabels, Objective

try:
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
        MultipleNegativesRankingLoss,
    )
except ImportError:  # before 5.4
    from sentence_transformers.losses import (  # type: ignore[import-not-found, no-redef, unused-ignore]
        CachedMultipleNegativesRankingLoss,
        MultipleNegativesRankingLoss,
    )

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sentence_transformers import SentenceTransformer

    from mteb_hybrid.trainers.losses.contrast import Direction, PartitionMode, Similarity

logger = logging.getLogger(__name__)


class HybridLoss(nn.Module):
    """InfoNCE over in-batch and explicit negatives, for batches with items in several languages.

    A layer over sentence-transformers' MultipleNegativesRankingLoss, or its cached version: the same loss and gradients
    where there is nothing to mask. On top of it the column ``label`` of the training data, made by ``ParallelDataset``,
    `HybridBatchSampler` or `encode_label`, says of each row:

    - its item: passages of one item, in whatever language or on whatever device, are never negatives of each other;
    - whether query and passage are in different languages: the trainer logs the two parts of the loss apart;
    - whether its last two columns are ``query_parallel`` and ``passage_parallel``, the same item in other languages, on
      which ``positives`` and ``consistency`` train. Without these options they are not embedded.

    Without a ``label`` column this is sentence-transformers' loss.

    Args:
        model: The model to train.
        scale: What similarities are multiplied with: the inverse of the temperature.
        similarity_fct: Maps embeddings of shapes (a, dimension) and (b, dimension) to similarities of shape (a, b).
        mini_batch_size: Texts that are embedded at once, with gradient caching (GradCache): memory for this many, the
            loss of the whole batch. None: the whole batch at once, without.
        gather_across_devices: Whether passages of all processes are negatives. Every process then needs as many rows,
            and data with the same columns.
        directions: As in sentence-transformers: ``query_to_doc``, and optionally ``query_to_query``, ``doc_to_query``
            and ``doc_to_doc``.
        partition_mode: As in sentence-transformers: one softmax over all directions (``joint``), or one for each.
        mask_same_item: Whether items are masked. False: items are not looked at; the other two are.
        positives: ``own``: the passage of the row. ``parallel``: also its parallel passage, each against the negatives
            only; parallel passages of other items are further negatives.
        consistency: Weight of the divergence between the score rows of a query and its parallel query, added to the
            loss; see `mteb_hybrid.trainers.losses.contrast.consistency_losses`.
        log_parts: Whether a labelled batch gives its loss in parts, which the trainer adds up and logs:
            ``monolingual_loss``, ``cross_lingual_loss`` (each the sum over such rows, divided by all rows) and, where
            there is one, ``consistency_loss`` (weighted). Losses that wrap others, such as MatryoshkaLoss, need False.

    Raises:
        OptionError: An option that is unknown, out of range, or does not go with another.

    Example:
        ::

            loss = HybridLoss(model, mini_batch_size=32)
            SentenceTransformerTrainer(model, args, train_dataset=dataset, loss=loss)
    """

    def __init__(
        self,
        model: SentenceTransformer,
        scale: float = 20.0,
        similarity_fct: Similarity = cos_sim,
        *,
        mini_batch_size: int | None = None,
        gather_across_devices: bool = False,
        directions: tuple[Direction, ...] = ("query_to_doc",),
        partition_mode: PartitionMode = "joint",
        mask_same_item: bool = True,
        positives: Literal["own", "parallel"] = "own",
        consistency: float = 0.0,
        log_parts: bool = True,
    ) -> None:
        super().__init__()
        contrast = Contrast(similarity_fct, scale, directions, partition_mode)
        if mini_batch_size is not None and mini_batch_size < 1:
            raise OptionError(f"mini_batch_size must be at least 1, or None, not {mini_batch_size}")
        if positives not in ("own", "parallel"):
            raise OptionError(f"positives must be 'own' or 'parallel', not {positives!r}")
        if not (consistency >= 0 and math.isfinite(consistency)):
            raise OptionError(f"consistency must be a weight of at least 0, not {consistency}")
        self.model = model
        self.mini_batch_size = mini_batch_size
        self.mask_same_item = mask_same_item
        self.log_parts = log_parts
        self.objective = Objective(contrast, positives == "parallel", consistency, gather_across_devices)
        # not `self.loss`: the model card would list this as a loss of its own
        self.embedder: _WholeBatch | _MiniBatches = (
            _WholeBatch(model, self.objective)
            if mini_batch_size is None
            else _MiniBatches(model, self.objective, mini_batch_size)
        )
        self._warned = self._warned_of_items = self._seen_items = False

    def forward(
        self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None
    ) -> Tensor | dict[str, Tensor]:
        """The loss of one batch.

        Args:
            sentence_features: Tokenized columns: query, passage, explicit negatives; then, if the labels say so, query
                and passage in other languages.
            labels: int64, shape (batch,), as `encode_label` makes them. None: no masks, and no parts.

        Returns:
            The mean over rows, scalar; with labels and ``log_parts`` its parts, which add up to it.

        Raises:
            TrainingDataError: Labels are not made by `encode_label`, or columns that an option needs are not there.
        """
        read = None if labels is None else BatchLabels.read(labels, self.mask_same_item, self.objective.gather)
        if read is not None and read.items is not None:
            self._check_items(read)
        columns = self._columns(list(sentence_features), parallel=read is not None and read.parallel)
        self.embedder.labels = read
        total: Tensor = self.embedder(columns, labels)
        if read is None or not self.log_parts:
            return total
        monolingual, cross_lingual, consistency = self.embedder.parts
        # gradients go back through the total, where the gradient cache hangs, and once: here it adds nothing else
        parts = {"monolingual_loss": monolingual + (total - total.detach()), "cross_lingual_loss": cross_lingual}
        return parts | {"consistency_loss": consistency} if self.objective.consistency > 0 else parts

    def _check_items(self, labels: BatchLabels) -> None:
        """Make sure that labels tell rows apart: batches of one item only must come after others, and are noted once.

        A small last batch may well be of one item, and then has no loss; labels that are the same in all rows of the
        first batch mean something else.
        """
        if not labels.one_item:
            self._seen_items = True
            return
        what = "all rows of a batch are of one item, so no passage of it is left as a negative"
        if not self._seen_items:
            raise TrainingDataError(
                f"{what}. {WHAT_A_LABEL_IS}; or take every other row's passage as a negative: mask_same_item=False"
            )
        if not self._warned_of_items:
            self._warned_of_items = True
            logger.warning("%s: such batches teach nothing; HybridBatchSampler makes none", what)

    def _columns(self, features: list[dict[str, Tensor]], *, parallel: bool) -> list[dict[str, Tensor]]:
        """The columns to embed, in the order of `Objective`."""
        with_passage, with_query = self.objective.parallel_positives, self.objective.consistency > 0
        asked = ["positives='parallel'"] * with_passage + ["consistency"] * with_query
        if len(features) < 2:
            raise TrainingDataError(f"a batch needs the columns query and passage, not {len(features)} text columns")
        if not parallel:
            if asked:
                raise TrainingDataError(
                    f"{' and '.join(asked)} cannot do without the columns query_parallel and passage_parallel: build "
                    "the training data with ParallelDataset(..., parallel=True), which adds them and marks its labels"
                )
            return features
        if len(features) < 4:
            raise TrainingDataError(
                f"{len(features)} text columns, but the labels announce query_parallel and passage_parallel too. "
                f"{WHAT_A_LABEL_IS}"
            )
        if not (asked or self._warned):
            self._warned = True
            logger.warning(
                "query_parallel and passage_parallel are in the training data, but HybridLoss does not train on them: "
                "set positives='parallel' or consistency=, or save their tokenization with parallel=False"
            )
        *own, query, passage = features
        return [*own, *[passage] * with_passage, *[query] * with_query]

    @property
    def uses_gradient_cache(self) -> bool:
        """Whether the backward pass hangs on a hook; MatryoshkaLoss asks for it."""
        return self.mini_batch_size is not None

    @property
    def calculate_loss(self) -> Any:
        """The loss of embeddings in mini-batches, which MatryoshkaLoss replaces by one that truncates them."""
        return self.embedder.calculate_loss

    @calculate_loss.setter
    def calculate_loss(self, function: Any) -> None:
        self.embedder.calculate_loss = function  # type: ignore[method-assign]

    @property
    def temperature(self) -> float:
        """The inverse of the scale."""
        return 1.0 / self.objective.contrast.scale

    @property
    def citation(self) -> str:
        """BibTeX of the paper, for the model card."""
        return HYBRID

    def get_config_dict(self) -> dict[str, Any]:
        """All options, of types that JSON has; for the model card."""
        objective, contrast = self.objective, self.objective.contrast
        return {
            "scale": contrast.scale,
            "similarity_fct": _name(contrast.similarity),
            "mini_batch_size": self.mini_batch_size,
            "gather_across_devices": objective.gather,
            "directions": list(contrast.directions),
            "partition_mode": contrast.partition_mode,
            "mask_same_item": self.mask_same_item,
            "positives": "parallel" if objective.parallel_positives else "own",
            "consistency": objective.consistency,
            "log_parts": self.log_parts,
        }


class _WholeBatch(MultipleNegativesRankingLoss):  # type: ignore[misc, unused-ignore]
    """Embeds as sentence-transformers does, and asks our objective."""

    def __init__(self, model: SentenceTransformer, objective: Objective) -> None:
        super().__init__(model, objective.contrast.scale, objective.contrast.similarity)
        self.objective = objective
        self.labels: BatchLabels | None = None
        self.parts = torch.zeros(3)

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor | None) -> Tensor:  # noqa: ARG002
        total, self.parts = self.objective(embeddings, self.labels)
        return total


class _MiniBatches(CachedMultipleNegativesRankingLoss):  # type: ignore[misc, unused-ignore]
    """Embeds and caches gradients as sentence-transformers does, and asks our objective."""

    def __init__(self, model: SentenceTransformer, objective: Objective, mini_batch_size: int) -> None:
        super().__init__(
            model, objective.contrast.scale, objective.contrast.similarity, mini_batch_size=mini_batch_size
        )
        self.objective = objective
        self.labels: BatchLabels | None = None  # kept here: before 6.0 the labels do not reach calculate_loss
        self.parts = torch.zeros(3)

    def calculate_loss(
        self,
        reps: list[list[Tensor]],
        labels: Tensor | None = None,  # noqa: ARG002
        *,
        with_backward: bool = False,
    ) -> Tensor:
        columns = [torch.cat(column) for column in reps]
        total, self.parts = self.objective(
            columns, self.labels, rows_at_once=self.mini_batch_size, with_backward=with_backward
        )
        return total


def _name(function: Any) -> str:
    """A similarity's name; of a partial that of what it calls."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)
