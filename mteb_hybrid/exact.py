"""What an exact score is: float64, in an order of operations that every device follows to the last bit.

And how far the fast float32 product can be from it: proven, whatever order the library under torch adds in.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Literal

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

Similarity = Literal["cosine", "dot"]

# numbers that are held in float64 at a time: on a CPU few enough for the cache
_NUMBERS = {"cpu": 1 << 18, "cuda": 1 << 24}


def error_bound(dimension: int, dtype: torch.dtype = torch.float32) -> float:
    """Largest distance between the fast product of two vectors of length at most 1 and their float64 score.

    For unit roundoff u and any order of summation, |fl(x.y) - x.y| <= gamma |x||y| with gamma = d u / (1 - d u)
    (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). Rounding both vectors and the
    threshold to the fast type adds less than 4u. The float64 score itself is off by a sum of d products, two lengths
    that are roots of such sums, and two divisions. A ten-thousandth more covers products of roundings, and underflow.
    """
    unit = torch.finfo(dtype).eps / 2
    gamma = dimension * unit / (1 - dimension * unit)
    score = (2 * dimension + 4) * 2.0**-53
    return (gamma + 4 * unit + score) * 1.0001


def tree_sum(products: torch.Tensor) -> torch.Tensor:
    """Sum over the last dimension by repeated halving, shape (..., n) to (...); overwrites ``products``.

    Every step is an elementwise addition, which IEEE 754 fixes to the last bit, so the result depends on nothing but
    the numbers: not on the batch they stand in, the number of threads or the device.
    """
    width = products.shape[-1]
    while width > 1:
        half = (width + 1) // 2
        products[..., : width - half] += products[..., half:width]
        width = half
    return products[..., 0].clone()


class ExactArithmetic:
    """Float64 arithmetic on float32 vectors, always in the same order of operations, some vectors at a time.

    It keeps the memory that it works in: to take a fresh array of this size costs more than to fill it.
    """

    def __init__(self, dimension: int, device: torch.device) -> None:
        self.vectors = max(1, _NUMBERS.get(device.type, _NUMBERS["cpu"]) // max(1, dimension))
        shape = (self.vectors, dimension)
        self._left, self._right = (torch.empty(shape, dtype=torch.float64, device=device) for _ in range(2))
        self._raw = torch.empty(shape, dtype=torch.float32, device=device)

    def parts(self, vectors: int) -> Iterator[slice]:
        """Numbers of the vectors that are taken at a time."""
        return (slice(first, min(first + self.vectors, vectors)) for first in range(0, vectors, self.vectors))

    def lengths(self, vectors: torch.Tensor) -> torch.Tensor:
        """Euclidean lengths, (vectors, dimension) to float64 (vectors,)."""
        lengths = torch.empty(len(vectors), dtype=torch.float64, device=vectors.device)
        for part in self.parts(len(vectors)):
            squares = self._left[: part.stop - part.start].copy_(vectors[part])
            lengths[part] = tree_sum(squares.mul_(squares))
        return lengths.sqrt_()

    def divided(self, vectors: torch.Tensor, divisors: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Vectors, (vectors, dimension), divided by float64 numbers, (vectors,), and then cast."""
        divided = torch.empty(vectors.shape, dtype=dtype, device=vectors.device)
        for part in self.parts(len(vectors)):
            divided[part] = self._left[: part.stop - part.start].copy_(vectors[part]).div_(divisors[part, None])
        return divided

    def products(
        self, queries: torch.Tensor, query: torch.Tensor, passages: torch.Tensor, passage: torch.Tensor | None
    ) -> torch.Tensor:
        """Dot products of pairs of vectors, float64, shape (pairs,).

        Args:
            queries: float64, shape (queries, dimension).
            query: int64, shape (pairs,): rows of the queries.
            passages: float32, shape (passages, dimension).
            passage: int64, shape (pairs,): rows of the passages; or None: there is one for each pair, in turn.
        """
        products = torch.empty(len(query), dtype=torch.float64, device=query.device)
        for part in self.parts(len(query)):
            pairs = part.stop - part.start
            left = torch.index_select(queries, 0, query[part], out=self._left[:pairs])
            right = passages[part] if passage is None else self._gather(passages, passage[part])
            products[part] = tree_sum(left.mul_(self._right[:pairs].copy_(right)))
        return products

    def _gather(self, vectors: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Some of the vectors."""
        return torch.index_select(vectors, 0, rows, out=self._raw[: len(rows)])


@contextlib.contextmanager
def full_precision(device: str) -> Iterator[None]:
    """Keep torch from computing float32 products with fewer bits (TF32, bfloat16), whatever the user has set.

    Torch has an older switch and, since 2.9, one per backend; it refuses to mix the two, so the newer ones are used
    where they exist.
    """
    candidates: list[Any] = [torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None)]
    backends = [backend for backend in candidates if hasattr(backend, "fp32_precision")]
    before = [backend.fp32_precision for backend in backends]
    legacy = None if backends else torch.get_float32_matmul_precision()
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        if legacy is not None:
            torch.set_float32_matmul_precision("highest")
        with torch.autocast(device, enabled=False):
            yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision
        if legacy is not None:
            torch.set_float32_matmul_precision(legacy)
