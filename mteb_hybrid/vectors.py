"""Queries and passages as the kernel needs them: for exact scores, and for the fast product of many at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mteb_hybrid.exact import ExactArithmetic, Similarity


class Queries:
    """Queries on a device.

    Attributes:
        exact: What float64 scores are taken with, shape (queries, dimension): for ``cosine`` float64 of length 1, for
            ``dot`` the float32 embeddings.
        length: float64, shape (queries,): lengths of ``exact``.
    """

    def __init__(
        self, embeddings: NDArray[np.float32], similarity: Similarity, arithmetic: ExactArithmetic, device: torch.device
    ) -> None:
        self.arithmetic = arithmetic
        cosine = similarity == "cosine"
        self.exact = torch.empty(embeddings.shape, dtype=torch.float64 if cosine else torch.float32, device=device)
        self.length = torch.ones(len(embeddings), dtype=torch.float64, device=device)
        for part in arithmetic.parts(len(embeddings)):
            raw = on_device(embeddings[part], device, np.float32)
            lengths = arithmetic.lengths(raw)
            if cosine:
                self.exact[part] = arithmetic.divided(raw, lengths, torch.float64)
            else:
                self.exact[part], self.length[part] = raw, lengths

    def fast(self, rows: slice, dtype: torch.dtype) -> torch.Tensor:
        """Some of the queries, of length 1."""
        exact = self.exact[rows]
        if exact.dtype is torch.float64:
            return exact.to(dtype)
        return self.arithmetic.divided(exact, self.length[rows], dtype)


@dataclass(frozen=True, slots=True)
class Passages:
    """A part of the pool on a device.

    Attributes:
        exact: float32, shape (passages, dimension): what float64 scores are taken with.
        lengths: float64, shape (passages,): what these are divided by; None for ``dot``.
    """

    exact: torch.Tensor
    lengths: torch.Tensor | None

    @classmethod
    def of(cls, embeddings: torch.Tensor, similarity: Similarity, arithmetic: ExactArithmetic) -> Passages:
        """Float32 embeddings of passages, shape (passages, dimension); they are not copied."""
        return cls(embeddings, arithmetic.lengths(embeddings) if similarity == "cosine" else None)

    def scores(self, queries: Queries, query: torch.Tensor, passage: torch.Tensor) -> torch.Tensor:
        """Float64 scores of pairs, shape (pairs,), always in the same order of operations.

        Args:
            queries: The queries.
            query: int64, shape (pairs,): rows of the queries.
            passage: int64, shape (pairs,): rows of the passages.
        """
        products = queries.arithmetic.products(queries.exact, query, self.exact, passage)
        return products if self.lengths is None else products.div_(self.lengths[passage])

    def fast(self, dtype: torch.dtype, arithmetic: ExactArithmetic) -> tuple[torch.Tensor, float]:
        """The passages no longer than 1, and what one unit of their scores is in units of the exact ones."""
        if self.lengths is not None:
            return arithmetic.divided(self.exact, self.lengths, dtype), 1.0
        longest = arithmetic.lengths(self.exact).max().clamp_min(2.0**-1000)
        scale = torch.exp2(longest.log2().ceil())
        return arithmetic.divided(self.exact, scale.expand(len(self.exact)), dtype), float(scale)


def relevant_scores(
    queries: Queries, query: NDArray[np.int64], passages: NDArray[np.float32], similarity: Similarity
) -> NDArray[np.float64]:
    """Scores of pairs of which each has a passage of its own; few of the passages are on the device at a time.

    Args:
        queries: The queries.
        query: int64, shape (pairs,): rows of the queries.
        passages: float32, shape (pairs, dimension).
        similarity: ``cosine`` or ``dot``.
    """
    scores = np.empty(len(query))
    device = queries.exact.device
    for part in queries.arithmetic.parts(len(query)):
        here = on_device(passages[part], device, np.float32)
        found = Passages.of(here, similarity, queries.arithmetic).scores(
            queries, on_device(query[part], device), torch.arange(len(here), device=device)
        )
        scores[part] = found.cpu().numpy()
    return scores


def on_device(array: NDArray[Any], device: torch.device, dtype: type[np.float32] | None = None) -> torch.Tensor:
    """An array on a device, cast to a type; on a CPU it is the same memory, where it can be."""
    array = np.ascontiguousarray(array, dtype=dtype)
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)
