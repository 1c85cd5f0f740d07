"""Which model is this? What is left on disk for one model must never be gone on with by another."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

_SAMPLED = 256
# settings of sentence-transformers that change embeddings and are no weights
_SETTINGS = ("max_seq_length", "truncate_dim", "similarity_fn_name")


def model_fingerprint(model: object) -> str | None:
    """A digest of a model's weights and settings, the same in every process; 24 hex digits.

    Of every parameter and buffer its name, shape and evenly spaced values: training moves all of them.

    Returns:
        None for a model without torch parameters (an API, say): only its name and revision tell it from others.
    """
    import torch

    modules = [part for part in (model, getattr(model, "model", None)) if isinstance(part, torch.nn.Module)]
    if not modules:
        return None
    digest = hashlib.sha256()
    with torch.no_grad():
        for name, tensor in sorted(modules[0].state_dict().items()):
            if not isinstance(tensor, torch.Tensor):  # extra state of a module, which may be anything
                continue
            digest.update(f"\n{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
            digest.update(_sample(tensor).tobytes())
    for setting in _SETTINGS:
        digest.update(f"\n{setting} {getattr(modules[0], setting, None)!r}".encode())
    return digest.hexdigest()[:24]


def _sample(tensor: Any) -> Any:
    if not tensor.numel() or tensor.is_meta or tensor.is_sparse or tensor.is_quantized:
        return np.empty(0)
    values = tensor.detach().reshape(-1)[:: max(1, tensor.numel() // _SAMPLED)]
    return (values.real if values.is_complex() else values).double().cpu().numpy()
