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
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mteb_hybrid.above import Above, Near
from mteb_hybrid.arrays import LOWEST, Array, Mask, as_array, as_tensor, flatnonzero, padded
from mteb_hybrid.counted import Ranking
from mteb_hybrid.exact import ExactArithmetic, Similarity, error_bound, full_precision
from mteb_hybrid.top_lists import Candidates, merge_lists
from mteb_hybrid.vectors import Passages, Queries, on_device, relevant_scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

# scores of one block: on a CPU 2^18 float32 stay in a core's cache and larger blocks measured slower; a GPU wants more
_BLOCK_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 26}
# numbers in the embeddings of a chunk, and in the lists of the queries of a block, for each score of a block
_CHUNK_SHARE, _LIST_SHARE = 8, 4
# rows and columns of the grid on which fast scores are checked
_CHECKED = 6


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A part of the pool.

    Attributes:
        passages: The passages.
        fast: What the fast product is taken with, shape (passages, dimension), no longer than 1.
        scale: One unit of a fast score, in units of the float64 scores, but for the query's length.
        order: int64, shape (passages,): their tie-break positions.
        segments: Segments and the columns that belong to each.
    """

    passages: Passages
    fast: torch.Tensor
    scale: float
    order: Array
    segments: list[tuple[int, range]]

    def pieces(self, width: int) -> Iterator[tuple[int, slice]]:
        """Columns to count at a time, about equally many and at most ``width``, with a position in ``segments``."""
        for number, (_, columns) in enumerate(self.segments):
            pieces = -(-len(columns) // width)
            ends = [columns.start + len(columns) * piece // pieces for piece in range(pieces + 1)]
            yield from ((number, slice(*pair)) for pair in pairwise(ends))


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
        self.similarity = similarity
        self.segments = segments
        self.top_k = top_k
        self.block_elements = block_elements or _BLOCK_ELEMENTS.get(self.device.type, _BLOCK_ELEMENTS["cpu"])
        self.fast_type = torch.float32
        self.dimension = int(queries.shape[1])

        self._arithmetic = ExactArithmetic(self.dimension, self.device)
        self._queries = Queries(queries, similarity, self._arithmetic, self.device)
        self._block = torch.empty(0, device=self.device)
        self._masks = Mask(), Mask()
        self._chunks = 0

        scores = relevant_scores(self._queries, relevant_query, relevant_passages, similarity)
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
        """
        if passages.ndim != 2 or passages.shape[1] != self.dimension or len(order) != len(passages):
            raise ValueError(
                f"passages {passages.shape} and {len(order)} positions do not fit queries of dimension {self.dimension}"
            )
        segments = np.broadcast_to(segment, (len(passages),))
        in_turn = None if (np.diff(segments) >= 0).all() else segments.argsort(kind="stable")
        start = 0
        with full_precision(self.device.type):
            while start < len(passages) and self._threshold.shape[1] + self.top_k:
                stop = start + max(1, self.block_elements * _CHUNK_SHARE // self.dimension)
                part = slice(start, stop) if in_turn is None else in_turn[start:stop]
                try:
                    chunk = self._chunk(passages[part], order[part], segments[part])
                except torch.cuda.OutOfMemoryError as error:
                    self._halve(error)
                    continue
                self._count_chunk(chunk)
                start = stop

    def result(self) -> Ranking:
        """The counts so far."""
        return Ranking(
            above=as_tensor(self._above[:, self._query, self._slot].T).cpu().numpy(),
            top_order=as_tensor(self._top_order).cpu().numpy(),
            top_scores=as_tensor(self._top_scores).cpu().numpy(),
        )

    def restore(self, counted: Ranking) -> None:
        """Go on from counts that an equal counter had: what `result` returned there."""
        self._above[:, self._query, self._slot] = self._array(counted.above.T)
        self._top_order = self._array(counted.top_order.copy())
        self._top_scores = self._array(counted.top_scores.copy())

    def _chunk(self, embeddings: NDArray[np.float32], order: NDArray[np.int64], segments: NDArray[np.int64]) -> _Chunk:
        """A part of the pool, which comes by segment, on the device."""
        on = on_device(embeddings, self.device, np.float32)
        passages = Passages.of(on, self.similarity, self._arithmetic)
        fast, scale = passages.fast(self.fast_type, self._arithmetic)
        starts = np.flatnonzero(np.diff(segments, prepend=-1)).tolist()
        columns = map(range, starts, [*starts[1:], len(segments)])
        return _Chunk(passages, fast, scale, self._array(order), [(int(segments[c.start]), c) for c in columns])

    def _count_chunk(self, chunk: _Chunk) -> None:
        queries, start = len(self._threshold), 0
        # in every chunk another block is checked
        checked = self._chunks * math.isqrt(self.block_elements) % queries
        self._chunks += 1
        while start < queries:
            rows = slice(start, min(queries, start + self._rows()))
            try:
                trusted = self._count_rows(rows, chunk, check=checked in range(rows.start, rows.stop))
            except torch.cuda.OutOfMemoryError as error:
                self._halve(error)
                continue
            if trusted:
                start = rows.stop
            else:
                self.fast_type = torch.float64
                chunk = replace(chunk, fast=chunk.passages.fast(self.fast_type, self._arithmetic)[0])

    def _count_rows(self, rows: slice, chunk: _Chunk, *, check: bool) -> bool:
        """Count a chunk for some of the queries; if its fast scores cannot be trusted, return False instead."""
        fast = self._queries.fast(rows, self.fast_type)
        unit = self._queries.length[rows, None] * chunk.scale  # of a fast score, as a float64 score
        threshold, last = as_tensor(self._threshold)[rows] / unit, as_tensor(self._top_scores)[rows, -1:] / unit
        bound = error_bound(self.dimension, self.fast_type)
        lower, upper, least = (
            (threshold - bound).clamp_min(LOWEST),
            threshold + bound,
            (last - bound).clamp_min(LOWEST),
        )
        above = Above(self._compared(lower), self._compared(upper), len(chunk.segments), self._masks)
        top = Candidates(self._compared(least), bound, self.top_k, self._masks[0]) if self.top_k else None
        for segment, columns in chunk.pieces(max(1, self.block_elements // len(fast))):
            scores = self._product(fast, chunk.fast[columns])
            if check and not self._within_bound(scores, rows, columns, chunk):
                return False
            check = False
            block = self._compared(scores)
            above.offer(block, columns.start, segment)
            if top is not None:
                top.offer(block, columns.start)
        above.add(self._decided(above.near(), rows, chunk))
        if top is not None:
            self._merge(*top.best(), rows, chunk)
        for (segment, _), counts in zip(chunk.segments, above.counts, strict=True):
            self._above[segment, rows] += counts
        return True

    def _decided(self, near: Near, rows: slice, chunk: _Chunk) -> Near:
        """Those of the undecided passages that stand above."""
        query = near.row + rows.start
        # a relevant passage is as near to itself as can be, and the position tells that it is not another one
        other = flatnonzero(chunk.order[near.number] != self._order[query, near.slot])
        near, query = Near(*(array[other] for array in near)), query[other]
        exact = self._exact(query, near.number, chunk)
        goal, goal_order = self._threshold[query, near.slot], self._order[query, near.slot]
        wins = flatnonzero((exact > goal) | ((exact == goal) & (chunk.order[near.number] < goal_order)))
        return Near(*(array[wins] for array in near))

    def _merge(self, row: Array, number: Array, rows: slice, chunk: _Chunk) -> None:
        """Put passages into the lists of the best."""
        exact = self._exact(row + rows.start, number, chunk)
        known = self._top_scores[rows], self._top_order[rows]
        self._top_scores[rows], self._top_order[rows] = merge_lists(*known, row, exact, chunk.order[number])

    def _exact(self, query: Array, number: Array, chunk: _Chunk) -> Array:
        return as_array(chunk.passages.scores(self._queries, as_tensor(query), as_tensor(number)))

    def _product(self, queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
        """Fast scores of all pairs, shape (queries, padded passages), always in the same memory; padding is -inf."""
        rows, columns = len(queries), len(passages)
        shape = (rows, padded(columns))
        if self._block.numel() < math.prod(shape) or self._block.dtype is not self.fast_type:
            self._block = torch.empty(shape, dtype=self.fast_type, device=self.device)
        block = self._block.view(-1)[: math.prod(shape)].view(shape)
        block[:, columns:] = -torch.inf
        fast_product(queries, passages, block[:, :columns])
        return block

    def _compared(self, scores: torch.Tensor) -> Array:
        """Fast scores, or what they are compared with, in a type that comparisons have."""
        return as_array(scores.to(torch.promote_types(self.fast_type, torch.float32)))

    def _within_bound(self, scores: torch.Tensor, rows: slice, columns: slice, chunk: _Chunk) -> bool:
        """Whether the fast product keeps its bound on a grid of pairs that are scored in float64 for comparison.

        A build of torch, a library under it or a setting out of our reach may compute float32 products with fewer bits.
        """
        if self.fast_type is torch.float64:
            return True
        grid = (
            torch.linspace(0, size - 1, min(size, _CHECKED), device=self.device).long()
            for size in (len(scores), columns.stop - columns.start)
        )
        row, column = (axis.reshape(-1) for axis in torch.meshgrid(*grid, indexing="ij"))
        exact = chunk.passages.scores(self._queries, row + rows.start, column + columns.start)
        unit = self._queries.length[row + rows.start] * chunk.scale
        error = float((scores[row, column].double() - exact / unit).abs().max())
        if error <= error_bound(self.dimension, self.fast_type):
            return True
        logger.warning(
            "float32 products on %s are off by %.1e, more than float32 allows: ranking in float64", self.device, error
        )
        return False

    def _rows(self) -> int:
        """Queries of a block: about as many as passages, and so few that lists for all of them are bounded too."""
        most = min(math.isqrt(self.block_elements), self.block_elements * _LIST_SHARE // max(1, self.top_k))
        queries = len(self._threshold)
        return -(-queries // -(-queries // max(1, most)))

    def _halve(self, error: torch.cuda.OutOfMemoryError) -> None:
        """Take smaller blocks from now on.

        Raises:
            torch.OutOfMemoryError: They cannot be smaller.
        """
        if self.block_elements == 1:
            raise error
        self.block_elements //= 2
        self._block = self._block[:0].clone()
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


def _slots(query: NDArray[np.int64], scores: NDArray[np.float64], queries: int) -> tuple[NDArray[np.int64], int]:
    """Number the relevant pairs within their query, the worst first: (slot of each pair, number of slots)."""
    counts = np.bincount(query, minlength=queries)
    worst_first = np.lexsort((scores, query))
    slot = np.empty_like(worst_first)
    slot[worst_first] = np.arange(len(query)) - np.repeat(counts.cumsum() - counts, counts)
    return slot, int(counts.max(initial=0))
