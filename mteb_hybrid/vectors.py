"""Queries and passages as the kernel needs them: for exact scores, and for the fast product of many at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mteb_hybrid.arrays import Array, as_array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mteb_hybrid.exact import ExactArithmetic, Similarity


class Queries:
    """Queries on a device.

    Attributes:
        exact: float32, shape (queries, dimension): what float64 scores are taken with. On a CPU it is the array that
            was given, where that can be: nobody may write to it before the counting is done.
        length: float64, shape (queries,): Euclidean lengths.
        unit: float64, shape (queries,): a float64 score of the query over the same one of a query of length 1.
        similarity: ``cosine`` or ``dot``.
        device: The device.
    """

    def __init__(
        self, embeddings: NDArray[np.float32], similarity: Similarity, device: torch.device, arithmetic: ExactArithmetic
    ) -> None:
        self.similarity, self.device = similarity, device
        self.exact = on_device(embeddings, device, np.float32)
        self.length = arithmetic.lengths(self.exact)
        self.unit = torch.ones_like(self.length) if similarity == "cosine" else self.length

    def taken(self, rows: slice | torch.Tensor) -> torch.Tensor:
        """Some of the queries as float64 scores are taken with them, shape (rows, dimension): cosine wants length 1."""
        exact = self.exact[rows].double()
        return exact.div_(self.length[rows, None]) if self.similarity == "cosine" else exact


@dataclass(frozen=True, slots=True)
class QueryBlock:
    """Consecutive queries on a device.

    Attributes:
        exact: float64, shape (rows, dimension): what float64 scores are taken with.
        fast: What the fast product is taken with, of length 1.
        unit: float64, shape (rows,): as in `Queries`.
    """

    exact: torch.Tensor
    fast: torch.Tensor
    unit: torch.Tensor

    @classmethod
    def of(cls, queries: Queries, rows: slice, dtype: torch.dtype) -> QueryBlock:
        """Some of the queries, for fast scores of a type."""
        exact = queries.taken(rows)
        unit = exact if queries.similarity == "cosine" else exact / queries.length[rows, None]
        return cls(exact, unit.to(dtype), queries.unit[rows])


@dataclass(frozen=True, slots=True)
class Passages:
    """A part of the pool on a device.

    Attributes:
        exact: float32, shape (passages, dimension): what float64 scores are taken with.
        lengths: float64, shape (passages,): their Euclidean lengths for ``cosine``; None for ``dot``.
    """

    exact: torch.Tensor
    lengths: torch.Tensor | None

    @classmethod
    def of(cls, embeddings: NDArray[np.float32], queries: Queries, arithmetic: ExactArithmetic) -> Passages:
        """Some passages, shape (passages, dimension), for some queries."""
        exact = on_device(embeddings, queries.device, np.float32)
        return cls(exact, arithmetic.lengths(exact) if queries.similarity == "cosine" else None)

    def scores(
        self,
        queries: torch.Tensor,
        query: torch.Tensor,
        passage: torch.Tensor | None,
        arithmetic: ExactArithmetic,
    ) -> torch.Tensor:
        """Float64 scores of pairs, shape (pairs,), always in the same order of operations.

        Args:
            queries: float64, shape (queries, dimension): what `Queries.taken` returns.
            query: int64, shape (pairs,): rows of the queries.
            passage: int64, shape (pairs,): rows of the passages; or None: there is one for each pair, in turn.
            arithmetic: What computes them.
        """
        products = arithmetic.products(queries, query, self.exact, passage)
        if self.lengths is None:
            return products
        return products.div_(self.lengths if passage is None else self.lengths[passage])

    def fast(self, dtype: torch.dtype, arithmetic: ExactArithmetic) -> tuple[torch.Tensor, float]:
        """The passages no longer than 1, and what one unit of their scores is in units of the exact ones."""
        if self.lengths is not None:
            return arithmetic.divided(self.exact, self.lengths, dtype), 1.0
        longest = arithmetic.lengths(self.exact).max().clamp_min(2.0**-1000)
        scale = torch.exp2(longest.log2().ceil())
        return arithmetic.divided(self.exact, scale.expand(len(self.exact)), dtype), float(scale)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the pool on a device.

    Attributes:
        passages: The passages, by segment.
        fast: What the fast product is taken with, shape (passages, dimension), no longer than 1.
        scale: One unit of a fast score, in units of the float64 scores, but for the query's length.
        order: int64, shape (passages,): their tie-break positions.
        segments: Segments, and the passages that belong to each.
    """

    passages: Passages
    fast: torch.Tensor
    scale: float
    order: Array
    segments: list[tuple[int, range]]

    @classmethod
    def of(
        cls,
        embeddings: NDArray[np.float32],
        order: NDArray[np.int64],
        segments: NDArray[np.int64],
        queries: Queries,
        dtype: torch.dtype,
        arithmetic: ExactArithmetic,
    ) -> Chunk:
        """Prepare some passages, given by segment, and fast scores of a type, for some queries."""
        passages = Passages.of(embeddings, queries, arithmetic)
        fast, scale = passages.fast(dtype, arithmetic)
        ends = (np.flatnonzero(np.diff(segments)) + 1).tolist()
        runs = [range(*run) for run in pairwise([0, *ends, len(segments)])]
        here = [(int(segments[run.start]), run) for run in runs]
        return cls(passages, fast, scale, as_array(on_device(order, queries.device)), here)

    def cast(self, dtype: torch.dtype, arithmetic: ExactArithmetic) -> Chunk:
        """The same for fast scores of another type."""
        return replace(self, fast=self.passages.fast(dtype, arithmetic)[0])

    def pieces(self, width: int) -> Iterator[tuple[int, slice]]:
        """Passages to count at a time, about equally many and at most ``width``, with a position in ``segments``."""
        for number, (_, run) in enumerate(self.segments):
            pieces = -(-len(run) // width)
            ends = (run.start + len(run) * piece // pieces for piece in range(pieces + 1))
            yield from ((number, slice(*piece)) for piece in pairwise(ends))


def relevant_scores(
    queries: Queries, query: NDArray[np.int64], passages: NDArray[np.float32], arithmetic: ExactArithmetic
) -> NDArray[np.float64]:
    """Scores of pairs of which each has a passage of its own; few of the passages are on the device at a time.

    Args:
        queries: The queries.
        query: int64, shape (pairs,): rows of the queries.
        passages: float32, shape (pairs, dimension).
        arithmetic: What computes them.
    """
    scores = np.empty(len(query))
    for part in arithmetic.parts(len(query)):
        here = Passages.of(passages[part], queries, arithmetic)
        rows, row = np.unique(query[part], return_inverse=True)  # many pairs have the same query
        exact = queries.taken(on_device(rows, queries.device))
        pairs = here.scores(exact, on_device(row, queries.device), None, arithmetic)
        scores[part] = pairs.cpu().numpy()
    return scores


def on_device(array: NDArray[Any], device: torch.device, dtype: type[np.float32] | None = None) -> torch.Tensor:
    """An array on a device, cast to a type; on a CPU it is the same memory, where it can be."""
    array = np.ascontiguousarray(array, dtype=dtype)
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)
