"""Exact ranks of the relevant passages, streamed over the pool, never sorted.

The rank of a relevant passage is one more than the number of passages that stand above it, so ranking is counting: a
matrix product for each block of queries and passages, comparisons with the scores of the relevant passages, and sums
over blocks. Counts of different chunks, segments or machines add up.

Exact means: ranks are those of the float64 scores of the float32 embeddings, whatever the chunk size, the number of
threads or the device. Three things make that so:

1. A float64 score is always computed in the same order (`mteb_hybrid.exact`: elementwise operations only, which IEEE
   754 fixes to the last bit on every device). Equal embeddings therefore tie exactly.
2. The fast float32 product differs from it by at most `error_bound`, proven for any order of summation. A passage
   outside that distance from a relevant one is decided by the fast product (`mteb_hybrid.above`).
3. The few passages inside it are scored again in float64. Ties are broken by the caller's order (trec_eval: document id
   descending), and a passage is never counted against itself.
"""

from __future__ import annotations

import logging
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mteb_hybrid.above import Above, Near
from mteb_hybrid.arrays import Array, as_array, as_tensor, flatnonzero
from mteb_hybrid.counted import Ranking
from mteb_hybrid.exact import Similarity, error_bound, full_precision
from mteb_hybrid.threads import Worker, few_threads, most_workers, side_by_side
from mteb_hybrid.top_lists import Candidates, merge_lists
from mteb_hybrid.vectors import Chunk, Queries, QueryBlock, on_device, relevant_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

# scores of one block: on a CPU 2^19 float32 stay in the cache, and far smaller or larger blocks measured slower; a GPU
# wants them large
_BLOCK_ELEMENTS = {"cpu": 1 << 19, "cuda": 1 << 26}
# numbers in the embeddings of a chunk, and in the lists of the queries of a block, for each score of a block
_CHUNK_SHARE, _LIST_SHARE = 16, 2
# blocks that a worker is worth having for: with fewer, threads of Python gain less than they cost
_WORKER_BLOCKS = 4
# rows and columns of the grid on which fast scores are checked
_CHECKED = 6


class RankCounter:
    """Counts, chunk by chunk of the pool, the passages above each relevant passage.

    Embeddings of other types than float32 are cast to it first. No argument is ever written to.

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
        block_elements: Scores per block, which bounds the memory; results do not depend on it. Halved whenever a GPU
            runs out of memory.

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
        self.segments = segments
        self.top_k = top_k
        self.block_elements = block_elements or _BLOCK_ELEMENTS.get(self.device.type, _BLOCK_ELEMENTS["cpu"])
        self.fast_type = torch.float32
        self.dimension = int(queries.shape[1])

        self._workers = [Worker(self.dimension, self.device)]
        arithmetic = self._workers[0].arithmetic
        with few_threads():
            self._queries = Queries(queries, similarity, self.device, arithmetic)
            scores = relevant_scores(self._queries, relevant_query, relevant_passages, arithmetic)
        slot, slots = _slots(relevant_query, scores, len(queries))
        threshold = np.full((len(queries), slots), np.inf)
        order = np.full(threshold.shape, -1, dtype=np.int64)
        threshold[relevant_query, slot], order[relevant_query, slot] = scores, relevant_order
        self._query, self._slot = self._array(relevant_query.copy()), self._array(slot)
        self._threshold, self._order = self._array(threshold), self._array(order)
        self._above = self._array(np.zeros((segments, *threshold.shape), dtype=np.int64))
        self._top_scores = self._array(np.full((len(queries), top_k), -np.inf))
        self._top_order = self._array(np.full((len(queries), top_k), -1, dtype=np.int64))

    def count(
        self, passages: NDArray[np.float32], order: NDArray[np.int64], segment: int | NDArray[np.int64] = 0
    ) -> None:
        """Count one part of the pool.

        Args:
            passages: float32, shape (passages, dimension); finite, and no zero rows for ``cosine``.
            order: int64, shape (passages,): tie-break positions, unique in the whole pool.
            segment: The segment, in [0, segments), that these passages belong to; or int64, shape (passages,), that of
                each. Many segments in one call cost less than a call for each.

        Raises:
            ValueError: Shapes that do not fit each other or the queries, or a segment that there is not.
        """
        if passages.ndim != 2 or passages.shape[1] != self.dimension or len(order) != len(passages):
            raise ValueError(
                f"passages {passages.shape} and {len(order)} positions do not fit queries of dimension {self.dimension}"
            )
        if np.ndim(segment) and np.shape(segment) != (len(passages),):
            raise ValueError(f"passages {passages.shape} and segments {np.shape(segment)} do not fit each other")
        segments = np.broadcast_to(segment, (len(passages),))
        if len(segments) and not 0 <= segments.min() <= segments.max() < self.segments:
            raise ValueError(
                f"segments {segments.min()} to {segments.max()} do not fit a pool that has {self.segments} of them"
            )
        in_turn = None if (np.diff(segments) >= 0).all() else segments.argsort()
        start = 0
        with full_precision(self.device.type):
            while start < len(passages) and len(self._threshold):
                stop = start + max(1, self.block_elements * _CHUNK_SHARE // self.dimension)
                part = slice(start, stop) if in_turn is None else in_turn[start:stop]
                if self._count_chunk(passages[part], order[part], segments[part]):
                    start = stop

    def result(self) -> Ranking:
        """The counts so far; they stay as they are when counting goes on."""
        above = as_tensor(self._above).permute(1, 2, 0)[as_tensor(self._query), as_tensor(self._slot)]
        top_order, top_scores = (as_tensor(array).cpu().numpy().copy() for array in (self._top_order, self._top_scores))
        return Ranking(above=above.cpu().numpy(), top_order=top_order, top_scores=top_scores)

    def restore(self, counted: Ranking) -> None:
        """Go on from counts that an equal counter had: what `result` returned there."""
        self._above[:, self._query, self._slot] = self._array(counted.above.T)
        self._top_order = self._array(counted.top_order.copy())
        self._top_scores = self._array(counted.top_scores.copy())

    def _count_chunk(
        self, embeddings: NDArray[np.float32], order: NDArray[np.int64], segments: NDArray[np.int64]
    ) -> bool:
        """Count passages, given by segment; False if they have to come in smaller chunks."""
        workers = self._at_work(len(embeddings))
        arithmetic = workers[0].arithmetic
        try:
            with few_threads():
                chunk = Chunk.of(embeddings, order, segments, self._queries, self.fast_type, arithmetic)
        except torch.cuda.OutOfMemoryError as error:
            self._halve(error)
            return False
        off: list[tuple[slice, float]] = []

        def count(rows: slice, worker: Worker) -> None:
            off.extend(self._count_rows(rows, chunk, worker))

        side_by_side(count, self._rows(len(workers)), workers)
        if off:
            logger.warning(
                "float32 products on %s are off by %.1e, more than float32 allows: ranking in float64",
                self.device, off[0][1],
            )  # fmt: skip
            self.fast_type = torch.float64
            chunk = chunk.cast(self.fast_type, arithmetic)
            side_by_side(count, [rows for rows, _ in off], workers)
        return True

    def _count_rows(self, rows: slice, chunk: Chunk, worker: Worker) -> list[tuple[slice, float]]:
        """Count a chunk for some of the queries; returns for which ones not, and how far their fast scores are off."""
        try:
            error = self._counted(rows, chunk, worker)
        except torch.cuda.OutOfMemoryError as full:
            self._halve(full, rows.stop - rows.start)
        else:
            return [(rows, error)] if error else []
        middle = (rows.start + rows.stop + 1) // 2
        halves = slice(rows.start, middle), slice(middle, rows.stop)
        return [off for half in halves if half.start < half.stop for off in self._count_rows(half, chunk, worker)]

    def _counted(self, rows: slice, chunk: Chunk, worker: Worker) -> float:
        """Count, if there is enough memory, and return 0; or do not, and return how far the fast scores are off."""
        queries = QueryBlock.of(self._queries, rows, self.fast_type)
        unit = queries.unit[:, None] * chunk.scale  # of a fast score, as a float64 score
        bound = error_bound(self.dimension, self.fast_type)
        threshold, last = as_tensor(self._threshold)[rows] / unit, as_tensor(self._top_scores)[rows, -1:] / unit
        lower, upper, least = (self._compared(goal) for goal in (threshold - bound, threshold + bound, last - bound))
        above = Above(lower, upper, len(chunk.segments), worker.masks)
        top = Candidates(least, bound, self.top_k, worker.masks[0]) if self.top_k else None
        for number, (segment, columns) in enumerate(chunk.pieces(max(1, self.block_elements // len(unit)))):
            block = worker.block(len(unit), columns.stop - columns.start, self.fast_type)
            fast_product(queries.fast, chunk.fast[columns], block[:, : columns.stop - columns.start])
            if not number and (error := self._excess(block[:, : columns.stop], queries, chunk, worker)):
                return error
            scores = self._compared(block)
            above.offer(scores, columns.start, segment)
            if top is not None:
                top.offer(scores, columns.start)
        above.add(self._decided(above.near(), rows, queries, chunk, worker))
        if top is not None:
            row, number = top.best()
            exact = _exact(queries, row, number, chunk, worker)
            known = self._top_scores[rows], self._top_order[rows]
            self._top_scores[rows], self._top_order[rows] = merge_lists(*known, row, exact, chunk.order[number])
        for (segment, _), counts in zip(chunk.segments, above.counts, strict=True):
            self._above[segment, rows] += counts
        return 0.0

    def _decided(self, near: Near, rows: slice, queries: QueryBlock, chunk: Chunk, worker: Worker) -> Near:
        """Those of the undecided passages that stand above."""
        threshold, order = self._threshold[rows], self._order[rows]
        # a relevant passage is as near to itself as can be, and the position tells that it is not another one
        other = flatnonzero(chunk.order[near.number] != order[near.row, near.slot])
        near = Near(*(array[other] for array in near))
        exact = _exact(queries, near.row, near.number, chunk, worker)
        goal, goal_order = threshold[near.row, near.slot], order[near.row, near.slot]
        wins = flatnonzero((exact > goal) | ((exact == goal) & (chunk.order[near.number] < goal_order)))
        return Near(*(array[wins] for array in near))

    def _compared(self, scores: torch.Tensor) -> Array:
        """Fast scores, or what they are compared with, in a type that there are comparisons of."""
        return as_array(scores.to(torch.promote_types(self.fast_type, torch.float32)))

    def _excess(self, block: torch.Tensor, queries: QueryBlock, chunk: Chunk, worker: Worker) -> float:
        """By how much a fast product with a chunk's first passages misses float64 scores on a grid; 0 within the bound.

        A build of torch, a library under it or a setting out of our reach may compute float32 products with fewer bits.
        """
        if self.fast_type is torch.float64:
            return 0.0
        grid = (torch.linspace(0, size - 1, min(size, _CHECKED), device=self.device).long() for size in block.shape)
        row, column = (axis.reshape(-1) for axis in torch.meshgrid(*grid, indexing="ij"))
        exact = chunk.passages.scores(queries.exact, row, column, worker.arithmetic)
        error = float((block[row, column].double() - exact / (queries.unit[row] * chunk.scale)).abs().max())
        return 0.0 if error <= error_bound(self.dimension, self.fast_type) else error

    def _rows(self, workers: int) -> list[slice]:
        """Queries of each block: about as many as its passages, and so few that lists for them are bounded too."""
        queries = len(self._threshold)
        most = min(math.isqrt(self.block_elements), self.block_elements * _LIST_SHARE // max(1, self.top_k))
        blocks = max(-(-queries // max(1, most)), min(workers, queries))
        ends = [queries * block // blocks for block in range(blocks + 1)]
        return [slice(*pair) for pair in pairwise(ends)]

    def _at_work(self, passages: int) -> list[Worker]:
        """The workers that count some passages: as many as torch has threads now, unless there is little to do."""
        worthwhile = int(len(self._threshold) * passages / (_WORKER_BLOCKS * self.block_elements))
        count = max(1, min(worthwhile, most_workers(self.device)))
        self._workers += [Worker(self.dimension, self.device) for _ in range(count - len(self._workers))]
        return self._workers[:count]

    def _halve(self, error: torch.cuda.OutOfMemoryError, rows: int = 1) -> None:
        """Take smaller blocks from now on.

        Raises:
            torch.OutOfMemoryError: They cannot be smaller.
        """
        if self.block_elements == rows == 1:
            raise error
        self.block_elements = max(1, self.block_elements // 2)
        for worker in self._workers:
            worker.forget_block()
        logger.warning("%s is out of memory: ranking in blocks of %s scores", self.device, f"{self.block_elements:,}")

    def _array(self, values: NDArray[Any]) -> Array:
        """Numbers on the device."""
        return as_array(on_device(values, self.device))


def fast_product(queries: torch.Tensor, passages: torch.Tensor, out: torch.Tensor) -> None:
    """Write the scores of all pairs into ``out``, shape (queries, passages); all are of one type."""
    torch.mm(queries, passages.T, out=out)


def tie_order(passage_ids: list[str]) -> NDArray[np.int64]:
    """Tie-break positions in trec_eval's order: among equal scores the larger id (as a string) comes first.

    Returns:
        int64, shape (passages,): position of each passage when ids are sorted descending.
    """
    order = np.empty(len(passage_ids), dtype=np.int64)
    order[sorted(range(len(passage_ids)), key=passage_ids.__getitem__, reverse=True)] = np.arange(len(passage_ids))
    return order


def _exact(queries: QueryBlock, row: Array, number: Array, chunk: Chunk, worker: Worker) -> Array:
    """Float64 scores of some rows of a block and passages of a chunk, shape (pairs,)."""
    return as_array(chunk.passages.scores(queries.exact, as_tensor(row), as_tensor(number), worker.arithmetic))


def _slots(query: NDArray[np.int64], scores: NDArray[np.float64], queries: int) -> tuple[NDArray[np.int64], int]:
    """Number the relevant pairs within their query, the worst first: (slot of each pair, number of slots)."""
    counts = np.bincount(query, minlength=queries)
    worst_first = np.lexsort((scores, query))
    slot = np.empty_like(worst_first)
    slot[worst_first] = np.arange(len(query)) - np.repeat(counts.cumsum() - counts, counts)
    return slot, int(counts.max(initial=0))
