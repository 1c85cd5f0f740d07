"""Exact ranks of the relevant passages, streamed over the pool, never sorted.

The rank of a relevant passage is one more than the number of passages that stand above it, so ranking is counting: one
matrix product per chunk of the pool, one comparison per relevant passage, sums over chunks. Counts of different chunks,
segments or machines add up.

Exact means: ranks are those of the float64 scores of the float32 embeddings, whatever the chunk size, the number of
threads or the device. Three things make that so:

1. A float64 score is always computed in the same order (`mteb_hybrid.exact`: elementwise operations only, which IEEE
   754 fixes to the last bit on every device). Equal embeddings therefore tie exactly.
2. The fast float32 product differs from it by at most `error_bound`, proven for any order of summation. A passage
   outside that distance from a relevant one is decided by the fast product.
3. The few passages inside it are scored again in float64. Ties are broken by the caller's order (trec_eval: document id
   descending), and a passage is never counted against itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from mteb_hybrid.counted import Ranking
from mteb_hybrid.exact import Similarity, error_bound, full_precision, norms, tree_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

# scores of one block: on a CPU 2^20 float32 stay in the cache and larger blocks measured slower; a GPU wants them large
_BLOCK_ELEMENTS = {"cpu": 1 << 20, "cuda": 1 << 26}
# (query, passage) pairs that are scored in float64 at once, by the same reasoning
_EXACT_PAIRS = {"cpu": 1 << 11, "cuda": 1 << 17}
# rows and columns of the grid on which every block of fast scores is checked
_CHECKED = 6
# how many more than k are taken from a chunk, so that near-ties at the k-th place seldom need a second look
_TOP_SLACK = 16


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A part of the pool: what the float64 scores (passages, lengths) and the fast ones (fast, scale) are taken with.

    A float64 score is divided by the passage's length, where there are lengths; a fast one is in units of ``scale``.
    """

    passages: torch.Tensor
    lengths: torch.Tensor | None
    order: torch.Tensor
    fast: torch.Tensor
    scale: float


class RankCounter:
    """Counts, chunk by chunk of the pool, the passages above each relevant passage.

    Args:
        queries: float32, shape (queries, dimension); finite, no zero rows.
        relevant_query: int64, shape (pairs,): row in ``queries`` of each relevant pair.
        relevant_passages: float32, shape (pairs, dimension): embedding of each pair's passage.
        relevant_order: int64, shape (pairs,): tie-break position of each pair's passage. Among equal scores the smaller
            position ranks first. Positions are unique in the pool, so they also tell a passage from its equals.
        similarity: ``cosine`` or ``dot``.
        segments: Number of segments that the pool is counted in.
        top_k: How many best passages to keep per query; 0 for none.
        device: Torch device; by default CUDA where there is one.
        block_elements: Scores per block, which bounds the memory; results do not depend on it.

    Raises:
        ValueError: Shapes that do not fit each other, or an unknown similarity.
    """

    def __init__(
        self,
        queries: NDArray[np.float32],
        relevant_query: NDArray[np.int64],
        relevant_passages: NDArray[np.float32],
        relevant_order: NDArray[np.int64],
        *,
        similarity: Similarity = "cosine",
        segments: int = 1,
        top_k: int = 0,
        device: str | torch.device | None = None,
        block_elements: int | None = None,
    ) -> None:
        if similarity not in ("cosine", "dot"):
            raise ValueError(f"similarity must be 'cosine' or 'dot', not {similarity!r}")
        pairs = len(relevant_query)
        if queries.ndim != 2 or relevant_passages.shape != (pairs, queries.shape[1]) or len(relevant_order) != pairs:
            raise ValueError(
                f"queries {queries.shape}, relevant passages {relevant_passages.shape}, {pairs} query rows and "
                f"{len(relevant_order)} positions do not fit each other"
            )
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.similarity = similarity
        self.segments = segments
        self.top_k = top_k
        self.block_elements = block_elements or _BLOCK_ELEMENTS.get(self.device.type, _BLOCK_ELEMENTS["cpu"])
        self.exact_pairs = _EXACT_PAIRS.get(self.device.type, _EXACT_PAIRS["cpu"])
        self.fast_type = torch.float32
        self.dimension = int(queries.shape[1])

        raw = self._tensor(queries).double()
        unit = raw / norms(raw)[:, None]
        self._norm = (
            norms(raw) if similarity == "dot" else torch.ones(len(raw), dtype=torch.float64, device=self.device)
        )
        self._exact = raw if similarity == "dot" else unit  # what float64 scores are taken with
        self._unit = unit  # what the fast product is taken with

        self._query = self._tensor(relevant_query)
        self._slot, slots = _slots(self._query, len(queries))
        scores = torch.empty(0, dtype=torch.float64, device=self.device)
        if pairs:
            relevant = self._chunk(self._tensor(relevant_passages).double(), self._tensor(relevant_order))
            scores = self._score_pairs(self._query, torch.arange(pairs, device=self.device), relevant)
        shape = (len(queries), slots)
        self._threshold = torch.full(shape, torch.inf, dtype=torch.float64, device=self.device)
        self._threshold[self._query, self._slot] = scores
        self._order = torch.full(shape, -1, dtype=torch.int64, device=self.device)
        self._order[self._query, self._slot] = self._tensor(relevant_order)
        self._above = torch.zeros((*shape, segments), dtype=torch.int64, device=self.device)
        self._top_scores = torch.full((len(queries), top_k), -torch.inf, dtype=torch.float64, device=self.device)
        self._top_order = torch.full((len(queries), top_k), -1, dtype=torch.int64, device=self.device)

    def count(self, passages: NDArray[np.float32], order: NDArray[np.int64], segment: int = 0) -> None:
        """Count one part of the pool.

        Args:
            passages: float32, shape (passages, dimension); finite, and no zero rows for ``cosine``.
            order: int64, shape (passages,): tie-break positions, unique in the whole pool.
            segment: The segment, in [0, segments), that these passages belong to.
        """
        if passages.ndim != 2 or passages.shape[1] != self.dimension or len(order) != len(passages):
            raise ValueError(
                f"passages {passages.shape} and {len(order)} positions do not fit queries of dimension {self.dimension}"
            )
        with full_precision(self.device.type):
            width = max(1024, self.block_elements // max(1, len(self._unit)))
            for start in range(0, len(passages), width):
                part = slice(start, start + width)
                chunk = self._chunk(self._tensor(passages[part]).double(), self._tensor(order[part]))
                self._count_chunk(chunk, segment)

    def result(self) -> Ranking:
        """The counts so far."""
        return Ranking(
            above=self._above[self._query, self._slot].cpu().numpy(),
            top_order=self._top_order.cpu().numpy(),
            top_scores=self._top_scores.cpu().numpy(),
        )

    def restore(self, counted: Ranking) -> None:
        """Go on from counts that an equal counter had: what `result` returned there."""
        self._above[self._query, self._slot] = self._tensor(counted.above)
        self._top_order = self._tensor(counted.top_order)
        self._top_scores = torch.from_numpy(counted.top_scores.copy()).to(self.device)

    def _chunk(self, passages: torch.Tensor, order: torch.Tensor) -> _Chunk:
        lengths = norms(passages)
        if self.similarity == "cosine":
            return _Chunk(passages, lengths, order, passages / lengths[:, None], 1.0)
        scale = 2.0 ** float(torch.ceil(torch.log2(lengths.max().clamp_min(2.0**-1000))))
        return _Chunk(passages, None, order, passages / scale, scale)

    def _count_chunk(self, chunk: _Chunk, segment: int) -> None:
        rows = max(1, self.block_elements // len(chunk.order))
        for start in range(0, len(self._unit), rows):
            block = slice(start, start + rows)
            unit = self._norm[block, None] * chunk.scale  # one unit of the fast score, in units of the float64 score
            scores = self._unit[block].to(self.fast_type) @ chunk.fast.to(self.fast_type).T
            if not self._within_bound(scores, block, chunk, unit):
                self.fast_type = torch.float64
                scores = self._unit[block] @ chunk.fast.T
            self._count_block(scores, block, chunk, unit, segment)
            if self.top_k:
                self._update_top(scores, block, chunk, unit)

    def _count_block(self, scores: torch.Tensor, block: slice, chunk: _Chunk, unit: torch.Tensor, segment: int) -> None:
        """Add the passages of one block of scores to the counts."""
        bound = error_bound(self.dimension, self.fast_type)
        threshold = self._threshold[block] / unit
        upper, lower = (threshold + bound).to(self.fast_type), (threshold - bound).to(self.fast_type)
        near = torch.zeros(scores.shape, dtype=torch.bool, device=self.device)
        for slot in range(threshold.shape[1]):
            surely = scores > upper[:, slot, None]
            self._above[block, slot, segment] += torch.count_nonzero(surely, dim=1)
            near |= (scores >= lower[:, slot, None]).logical_xor_(surely)
        row, passage = near.nonzero(as_tuple=True)
        if not len(row):
            return
        query = row + block.start
        fast = scores[row, passage][:, None]
        undecided = (fast >= lower[row]) & (fast <= upper[row])
        exact = self._score_pairs(query, passage, chunk)[:, None]
        goal = self._threshold[query]
        wins = (exact > goal) | ((exact == goal) & (chunk.order[passage][:, None] < self._order[query]))
        self._above[:, :, segment].index_add_(0, query, (undecided & wins).long())

    def _update_top(self, scores: torch.Tensor, block: slice, chunk: _Chunk, unit: torch.Tensor) -> None:
        """Merge the best of one block into the running best, by (float64 score, order)."""
        bound = error_bound(self.dimension, self.fast_type)
        width = scores.shape[1]
        values, columns = scores.topk(min(self.top_k + _TOP_SLACK, width), dim=1)
        # whoever belongs to the best k is at most one bound below the running k-th, and two below the chunk's k-th
        least = self._top_scores[block, -1:] / unit - bound
        if width >= self.top_k:
            least = torch.maximum(least, values[:, self.top_k - 1 : self.top_k].double() - 2 * bound)
        kept = values.double() >= least
        if values.shape[1] < width and bool(kept[:, -1].any()):  # more near-ties than slack: look at the whole block
            values, columns = scores.sort(dim=1, descending=True)
            kept = values.double() >= least
            longest = int(kept.sum(dim=1).max())
            columns, kept = columns[:, :longest], kept[:, :longest]
        exact = torch.full(columns.shape, -torch.inf, dtype=torch.float64, device=self.device)
        row, place = kept.nonzero(as_tuple=True)
        exact[row, place] = self._score_pairs(row + block.start, columns[row, place], chunk)
        all_scores = torch.cat([self._top_scores[block], exact], dim=1)
        all_order = torch.cat([self._top_order[block], torch.where(kept, chunk.order[columns], -1)], dim=1)
        by_order = all_order.argsort(dim=1, stable=True)
        by_score = all_scores.gather(1, by_order).argsort(dim=1, descending=True, stable=True)[:, : self.top_k]
        best = by_order.gather(1, by_score)
        self._top_scores[block] = all_scores.gather(1, best)
        self._top_order[block] = all_order.gather(1, best)

    def _score_pairs(self, query: torch.Tensor, passage: torch.Tensor, chunk: _Chunk) -> torch.Tensor:
        """Float64 scores of (query row, row of the chunk) pairs, always in the same order of operations."""
        scores = torch.empty(len(query), dtype=torch.float64, device=self.device)
        for start in range(0, len(query), self.exact_pairs):
            part = slice(start, start + self.exact_pairs)
            # index_select and a product in place: twice as fast as indexing and a new tensor
            products = self._exact.index_select(0, query[part])
            scores[part] = tree_sum(products.mul_(chunk.passages.index_select(0, passage[part])))
        return scores if chunk.lengths is None else scores / chunk.lengths[passage]

    def _within_bound(self, scores: torch.Tensor, block: slice, chunk: _Chunk, unit: torch.Tensor) -> bool:
        """Whether the fast product keeps its bound on a grid of pairs that are scored in float64 for comparison.

        A build of torch, a library under it or a setting out of our reach may compute float32 products with fewer bits.
        """
        if self.fast_type is torch.float64:
            return True
        rows, columns = (
            torch.linspace(0, size - 1, min(size, _CHECKED), device=self.device).long() for size in scores.shape
        )
        row, column = rows.repeat_interleave(len(columns)), columns.repeat(len(rows))
        exact = self._score_pairs(row + block.start, column, chunk) / unit[row, 0]
        error = float((scores[row, column].double() - exact).abs().max())
        if error <= error_bound(self.dimension, self.fast_type):
            return True
        logger.warning(
            "float32 products on %s are off by %.1e, more than float32 allows: ranking in float64", self.device, error
        )
        return False

    def _tensor(self, array: NDArray[np.float32] | NDArray[np.int64]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def tie_order(passage_ids: list[str]) -> NDArray[np.int64]:
    """Tie-break positions in trec_eval's order: among equal scores the larger id (as a string) comes first.

    Returns:
        int64, shape (passages,): position of each passage when ids are sorted descending.
    """
    order = np.empty(len(passage_ids), dtype=np.int64)
    order[sorted(range(len(passage_ids)), key=passage_ids.__getitem__, reverse=True)] = np.arange(len(passage_ids))
    return order


def _slots(query: torch.Tensor, queries: int) -> tuple[torch.Tensor, int]:
    """Number the relevant pairs within their query: (slot of each pair, number of slots)."""
    counts = torch.bincount(query, minlength=queries)
    by_query = query.argsort(stable=True)
    first = counts.cumsum(0) - counts
    slot = torch.empty_like(query)
    slot[by_query] = torch.arange(len(query), device=query.device) - first[query[by_query]]
    return slot, int(counts.max()) if len(counts) else 0
