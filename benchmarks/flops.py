"""Floating-point operations of encoding a text: by a formula, and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the formula knows of a transformer.

    Attributes:
        parameters: Number of its parameters, without embedding tables.
        layers: Number of its layers.
        width: Its hidden dimension.
    """

    parameters: int
    layers: int
    width: int

    def __str__(self) -> str:
        return f"{self.parameters:,} parameters without embedding tables, {self.layers} layers of width {self.width}"

    @classmethod
    def of(cls, module: torch.nn.Module) -> Architecture:
        """Read it from a sentence-transformers model."""
        tables = {
            id(table)
            for part in module.modules()
            if isinstance(part, torch.nn.Embedding)
            for table in part.parameters()
        }
        config = next(
            part.config for part in module.modules() if hasattr(getattr(part, "config", None), "num_hidden_layers")
        )
        return cls(
            sum(one.numel() for one in module.parameters() if id(one) not in tables),
            config.num_hidden_layers,
            config.hidden_size,
        )

    def flops(self, lengths: Iterable[int]) -> float:
        """Operations of encoding texts of some numbers of tokens.

        A token passes every weight with a product and a sum, and in every layer's attention meets every token of its
        text twice: 2 x parameters x tokens + 4 x layers x width x tokens^2 (Kaplan et al. 2020, arXiv 2001.08361,
        section 2.1, summed over a text without a causal mask).
        """
        return float(sum(2 * self.parameters * length + 4 * self.layers * self.width * length**2 for length in lengths))


def counted_flops(module: Any, text: str) -> tuple[int, int]:
    """Operations of one text by torch's counter, and its number of tokens."""
    features = module.tokenizer([text], return_tensors="pt", truncation=True, max_length=module.max_seq_length)
    features = {name: tensor.to(module.device) for name, tensor in features.items()}
    # the counter does not see into the fused attention of a CPU
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.inference_mode():
        module(dict(features))
    return counter.get_total_flops(), features["input_ids"].shape[1]
