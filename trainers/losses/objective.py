"""From a batch's embeddings and labels to its loss: gathered over processes, in blocks of rows, in parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.labels import label_cross_lingual, label_item, label_parallel
from mteb_hybrid.trainers.losses.contrast import Candidates, consistency_losses, info_nce_losses
from mteb_hybrid.trainers.losses.gather import gathered, rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mteb_hybrid.trainers.losses.contrast import Contrast

WHAT_A_LABEL_IS = (
    "The label column of HybridLoss ('label'; 'labels', 'score' and 'scores' are taken for it, too) holds integers "
    "that say of which item a row is, made by mteb_hybrid.trainers.labels.encode_label, by ParallelDataset or by "
    "HybridBatchSampler. If yours means something else, remove it: dataset.remove_columns('label')"
)

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


@dataclass(frozen=True, slots=True)
class BatchLabels:
    """What the labels of a batch say.

    Attributes:
        items: int64, shape (world,): the items of all processes' rows; None where they are not to be masked.
        cross_lingual: bool, shape (batch,): which of this process's rows have a passage in another language.
        parallel: Whether the batch has the columns ``query_parallel`` and ``passage_parallel``.
        one_item: Whether all of several rows are of one item, which leaves no passage of the batch as a negative.
    """

    items: Tensor | None
    cross_lingual: Tensor
    parallel: bool
    one_item: bool

    @classmethod
    def read(cls, labels: Tensor, mask_same_item: bool, gather: bool) -> BatchLabels:
        """Read labels as `encode_label` makes them; items are gathered over processes if embeddings are.

        Raises:
            TrainingDataError: They cannot be such labels.
        """
        if labels.ndim != 1 or labels.dtype not in _INTEGERS:
            raise TrainingDataError(f"labels are {labels.dtype} of shape {tuple(labels.shape)}. {WHAT_A_LABEL_IS}")
        labels = labels.long()
        host = labels.cpu()  # looked at once, so that a GPU is waited for once
        if bool((host < 0).any()):
            raise TrainingDataError(f"labels are negative. {WHAT_A_LABEL_IS}")
        parallel = label_parallel(host).bool()
        if bool((parallel != parallel[:1]).any()):
            raise TrainingDataError(
                f"only some rows of a batch have parallel columns, by their labels. {WHAT_A_LABEL_IS}"
            )
        items, one_item = None, False
        if mask_same_item:
            items = label_item(labels)
            items = gathered(items) if gather else items
            one_item = len(items) > 1 and bool((items == items[0]).all())
        return cls(items, label_cross_lingual(labels).bool(), bool(parallel.any()), one_item)


@dataclass(frozen=True, slots=True)
class Objective:
    """The loss as a function of embeddings.

    Args:
        contrast: Scores and directions.
        parallel_positives: Whether the parallel passage is a positive too.
        consistency: Weight of the consistency of parallel queries.
        gather: Whether the candidates are those of all processes.
    """

    contrast: Contrast
    parallel_positives: bool = False
    consistency: float = 0.0
    gather: bool = False

    def __call__(
        self,
        columns: Sequence[Tensor],
        labels: BatchLabels | None,
        *,
        rows_at_once: int | None = None,
        with_backward: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """The mean loss of this process's rows, and its parts.

        Args:
            columns: Embeddings, each of shape (batch, dimension): queries, passages, explicit negatives; then, as far
                as the options ask for them, parallel passages and parallel queries.
            labels: What is known of the rows.
            rows_at_once: Rows whose scores are held in memory together; None for all.
            with_backward: Whether the gradient is taken here, block by block, up to the columns; the loss is detached.

        Returns:
            The loss, and, detached, shape (3,), what monolingual rows, cross-lingual rows and the consistency add to
            it; without labels all rows count as monolingual.
        """
        local = torch.stack(list(columns))  # (columns, batch, dimension): one tensor, so one exchange
        world = gathered(local, dim=1) if self.gather else local
        # the blocks add up their gradients here, so that the way back over all processes is gone once
        leaf = world.detach().requires_grad_() if with_backward else world
        batch = local.shape[1]
        offset = rank() * batch if self.gather else 0
        step = rows_at_once or batch
        total, parts = world.new_zeros(()), world.new_zeros(3)
        for begin in range(0, batch, step):
            own = slice(begin, min(begin + step, batch))
            rows = torch.arange(offset + own.start, offset + own.stop, device=local.device)
            cross_lingual = None if labels is None else labels.cross_lingual[own]
            block = self._parts(self._candidates(leaf, labels), rows, cross_lingual) / batch
            loss = block.sum()
            if with_backward:
                loss.backward()  # type: ignore[no-untyped-call]
                loss = loss.detach()
            total, parts = total + loss, parts + block.detach()
        if with_backward:
            world.backward(leaf.grad)  # type: ignore[no-untyped-call]
        return total, parts

    def _candidates(self, world: Tensor, labels: BatchLabels | None) -> Candidates:
        """Columns by their names; shape (columns, world, dimension)."""
        columns = list(world.unbind())
        parallel_queries = columns.pop() if self.consistency > 0 else None
        parallel_passages = (columns.pop(),) if self.parallel_positives else ()
        queries, passages, *negatives = columns
        items = None if labels is None else labels.items
        return Candidates(queries, (passages, *parallel_passages), tuple(negatives), items, parallel_queries)

    def _parts(self, batch: Candidates, rows: Tensor, cross_lingual: Tensor | None) -> Tensor:
        """Sums over rows: of the monolingual ones, of the cross-lingual ones, and of the consistency; shape (3,)."""
        losses = info_nce_losses(batch, rows, self.contrast)
        if cross_lingual is None:
            cross_lingual = torch.zeros_like(losses, dtype=torch.bool)
        parts = [losses.masked_fill(cross_lingual, 0.0).sum(), losses.masked_fill(~cross_lingual, 0.0).sum()]
        if self.consistency > 0:
            parts.append(self.consistency * consistency_losses(batch, rows, self.contrast).sum())
        else:
            parts.append(losses.new_zeros(()))
        return torch.stack(parts)
