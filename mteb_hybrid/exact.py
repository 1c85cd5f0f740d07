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


def error_bound(dimension: int, dtype: torch.dtype = torch.float32) -> float:
    """Largest distance between the fast product of two vectors of length at most 1 and their float64 score.

    For unit roundoff u and any order of summation, |fl(x.y) - x.y| <= gamma |x||y| with gamma = d u / (1 - d u)
    (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). Rounding both vectors and the
    threshold to the fast type adds less than 4u, underflow less than d * 2^-120.
    """
    unit = torch.finfo(dtype).eps / 2
    gamma = dimension * unit / (1 - dimension * unit)
    float64_slack = 4 * (dimension + 4) * 2.0**-53  # the float64 scores themselves, and both norms
    return gamma * (1 + 8 * unit) + 4 * unit + float64_slack + dimension * 2.0**-120


def norms(vectors: torch.Tensor) -> torch.Tensor:
    """Euclidean norms of float64 rows, shape (..., dimension) to (...), in the fixed order of operations."""
    return tree_sum(vectors * vectors).sqrt()


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
