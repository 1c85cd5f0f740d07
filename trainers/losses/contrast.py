"""InfoNCE with items on tensors alone: which passages are a row's negatives, several positives, score rows that agree.

A row is a query q with its passage p. With s = scale * similarity its loss is

    -log( e^s(q, p) / (e^s(q, p) + sum over negatives n of e^s(q, n)) ),

InfoNCE (van den Oord et al. 2018, equation 4) over the other passages of the batch, as in sections 2 and 3.1 of arXiv
2408.10536. The other directions and partition modes are those of sentence-transformers' MultipleNegativesRankingLoss,
and so are the values and gradients as long as every row is an item of its own and has one positive. Two things differ
beyond that:

- Rows of one item are never negatives of each other: a translation of the right answer is no wrong one.
- A row may have several positives P. Its loss is the mean over P of the loss with that positive alone, with the same
  negatives. The mean over positives outside of the logarithm is that of SupCon (Khosla et al. 2020, L_out); there the
  other positives stay in the denominator, here they do not, so that positives never push each other away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from mteb_hybrid.errors import OptionError

Direction = Literal["query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"]
PartitionMode = Literal["joint", "per_direction"]
Similarity = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Contrast:
    """What scores are, and which of them a positive is held against.

    Args:
        similarity: Maps float tensors of shapes (a, dimension) and (b, dimension) to similarities of shape (a, b).
        scale: What similarities are multiplied with, the inverse of the temperature.
        directions: What the positive stands against: of the query the other documents (``query_to_doc``, always there)
            and the other queries, of the document the other queries and the other documents.
        partition_mode: One softmax over all directions (``joint``), or the mean of the losses of one softmax each.

    Raises:
        OptionError: Scale is not positive, or directions and mode are unknown or do not go together.
    """

    similarity: Similarity
    scale: float = 20.0
    directions: tuple[Direction, ...] = ("query_to_doc",)
    partition_mode: PartitionMode = "joint"

    def __post_init__(self) -> None:
        if not (self.scale > 0 and math.isfinite(self.scale)):
            raise OptionError(f"scale must be a positive number, not {self.scale}")
        known = get_args(Direction)
        if isinstance(self.directions, str) or not set(self.directions) <= set(known):
            raise OptionError(f"directions must be some of {', '.join(known)}, not {self.directions!r}")
        if "query_to_doc" not in self.directions:
            raise OptionError(
                f"directions must have 'query_to_doc', where the positive is, not only {self.directions!r}"
            )
        if self.partition_mode not in get_args(PartitionMode):
            raise OptionError(f"partition_mode must be 'joint' or 'per_direction', not {self.partition_mode!r}")
        if self.partition_mode == "per_direction" and {"query_to_query", "doc_to_doc"} & set(self.directions):
            raise OptionError(
                "partition_mode='per_direction' goes with 'query_to_doc' and 'doc_to_query' only: a softmax over "
                "queries alone, or documents alone, does not hold the positive; use partition_mode='joint'"
            )


@dataclass(frozen=True, slots=True)
class Candidates:
    """The embeddings of a whole batch, those of all processes together; all tensors of shape (world, dimension).

    Args:
        queries: Float; one per row.
        positives: The passages of the rows; then, if there are any, further columns of positives, such as the same
            passages in other languages.
        negatives: Columns of explicit negatives.
        items: int64, shape (world,): rows with the same item are never negatives of each other. None: every row is an
            item of its own.
        parallel_queries: The queries in other languages, for `consistency_losses`.
    """

    queries: Tensor
    positives: tuple[Tensor, ...]
    negatives: tuple[Tensor, ...] = ()
    items: Tensor | None = None
    parallel_queries: Tensor | None = None

    def documents(self) -> Tensor:
        """Positives first, then explicit negatives; shape (world * columns, dimension)."""
        return torch.cat([*self.positives, *self.negatives])

    def own(self, rows: Tensor) -> Tensor:
        """Where a row meets itself; bool, shape (rows, world)."""
        return rows[:, None] == torch.arange(len(self.queries), device=rows.device)

    def same_item(self, rows: Tensor) -> Tensor:
        """Where a row meets a row of its item, itself among them; bool, shape (rows, world)."""
        return self.own(rows) if self.items is None else self.items[rows, None] == self.items


def info_nce_losses(batch: Candidates, rows: Tensor, contrast: Contrast) -> Tensor:
    """The loss of some rows, each against the whole batch; the formula is at the top of this module.

    What is left out of the denominators of a row: its positives other than the one in the numerator; of all rows with
    its item the positives (query_to_doc), the queries (query_to_query, doc_to_query; doc_to_query keeps the row's own)
    and all documents (doc_to_doc). Explicit negatives count in query_to_doc whatever their row's item.

    Args:
        batch: Embeddings of all rows.
        rows: int64, shape (rows,): the rows in question. Losses do not depend on which rows are asked for together.
        contrast: Scores and directions.

    Returns:
        Shape (rows,), at least float32; nats.
    """
    queries, documents = batch.queries[rows], batch.documents()
    own, same = batch.own(rows), batch.same_item(rows)
    local = torch.arange(len(rows), device=rows.device)

    scores = _scores(queries, documents, contrast)  # (rows, world * columns)
    # numerators: taken out before the positives are masked, and put back one at a time
    numerators = [scores[local, rows + column * len(batch.queries)] for column in range(len(batch.positives))]
    scores.masked_fill_(_positives_mask(same, batch), -torch.inf)
    shared = []
    if "query_to_query" in contrast.directions:
        shared.append(_scores(queries, batch.queries, contrast).masked_fill_(same, -torch.inf))

    losses = []
    for numerator, positives in zip(numerators, batch.positives, strict=True):
        denominators = [torch.cat([numerator[:, None], scores], dim=1), *shared]
        if "doc_to_query" in contrast.directions:
            backward = _scores(batch.queries, positives[rows], contrast, transposed=True)
            denominators.append(backward.masked_fill_(same & ~own, -torch.inf))
        if "doc_to_doc" in contrast.directions:
            among = _scores(documents, positives[rows], contrast, transposed=True)
            columns = len(batch.positives) + len(batch.negatives)
            denominators.append(among.masked_fill_(same.repeat(1, columns), -torch.inf))
        losses.append(_log_partition(denominators, contrast.partition_mode) - numerator)
    return torch.stack(losses).mean(dim=0)


def consistency_losses(batch: Candidates, rows: Tensor, contrast: Contrast) -> Tensor:
    """How differently a query and its parallel query see the documents of the batch.

    The symmetrised Kullback-Leibler divergence 1/2 [KL(p || p') + KL(p' || p)] of the two softmaxes p and p' over the
    scaled scores with the same documents: all positives and explicit negatives of the batch but the positives of other
    rows with the row's item. Gradients flow into both. Zero exactly where the two agree.

    Args:
        batch: Embeddings of all rows, with parallel queries.
        rows: int64, shape (rows,): the rows in question.
        contrast: Scores; directions do not matter here.

    Returns:
        Shape (rows,), at least float32, values >= 0; nats.

    Raises:
        ValueError: The batch has no parallel queries.
    """
    if batch.parallel_queries is None:
        raise ValueError("consistency needs parallel queries")
    documents = batch.documents()
    mask = _positives_mask(batch.same_item(rows) & ~batch.own(rows), batch)
    log_p, log_q = (
        torch.log_softmax(_scores(queries[rows], documents, contrast).masked_fill_(mask, -torch.inf), dim=1)
        for queries in (batch.queries, batch.parallel_queries)
    )
    # the sum of both divergences is that of (p - q)(log p - log q); of masked documents this is 0 * (inf - inf)
    ratio = (log_p - log_q).masked_fill(mask, 0.0)
    return 0.5 * ((log_p.exp() - log_q.exp()) * ratio).sum(dim=1)


def _scores(left: Tensor, right: Tensor, contrast: Contrast, *, transposed: bool = False) -> Tensor:
    """Scaled similarities of left with right, a new tensor; at least float32, so that 20 * cos keeps its digits."""
    similarities = contrast.similarity(left, right)
    if transposed:  # a similarity need not be symmetric: queries stay on its left
        similarities = similarities.T
    return similarities.to(torch.promote_types(similarities.dtype, torch.float32)) * contrast.scale


def _positives_mask(mask: Tensor, batch: Candidates) -> Tensor:
    """A mask over rows as one over documents: repeated for each column of positives, False for explicit negatives."""
    kept = mask.new_zeros(len(mask), mask.shape[1] * len(batch.negatives))
    return torch.cat([mask.repeat(1, len(batch.positives)), kept], dim=1)


def _log_partition(denominators: list[Tensor], mode: PartitionMode) -> Tensor:
    """Logarithm of the sum of exponentials: of everything together, or the mean over directions; shape (rows,)."""
    if mode == "joint":
        return torch.logsumexp(torch.cat(denominators, dim=1), dim=1)
    return torch.stack([torch.logsumexp(scores, dim=1) for scores in denominators]).mean(dim=0)
