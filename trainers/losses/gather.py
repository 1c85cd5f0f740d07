"""Embeddings of all processes in one batch, with gradients."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def distributed() -> bool:
    """Whether this process is one of several that train together."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Number of this process among all of them; 0 if it is alone."""
    return dist.get_rank() if distributed() else 0


def gathered(local: Tensor, dim: int = 0) -> Tensor:
    """The tensors of all processes, of equal shapes, joined along a dimension in the order of ranks.

    The gradient of a process's part is the sum of what all processes derive for it. Every process must call this, and
    its backward pass, equally often. Alone, a process gets its own tensor back.
    """
    if not distributed():
        return local
    joined: Tensor = _Gather.apply(local, dim)  # type: ignore[no-untyped-call]
    return joined


class _Gather(torch.autograd.Function):
    """All-gather forwards, sum over processes backwards. Torch's own is deprecated from 2.13 on."""

    @staticmethod
    def forward(ctx: Any, local: Tensor, dim: int) -> Tensor:
        ctx.dim, ctx.length = dim, local.shape[dim]
        parts = [torch.empty_like(local, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts, dim=dim)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.narrow(ctx.dim, dist.get_rank() * ctx.length, ctx.length), None
