"""Which model is this? What is left on disk for one model must never be gone on with by another."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

_SAMPLED = 256
# settings of sentence-transformers that change embeddings and are no weights
_SETTINGS = ("max_seq_length", "truncate_dim", "similarity_fn_name", "prompts", "default_prompt_name")
_TOKENIZER = ("model_max_length", "padding_side", "truncation_side", "do_lower_case")
_LIBRARIES = ("sentence-transformers", "transformers", "torch")


def torch_module(model: object) -> torch.nn.Module | None:
    """The torch module that encodes: the model itself, or what MTEB's wrapper holds; None if there is none."""
    import torch

    parts = (model, getattr(model, "model", None))
    return next((part for part in parts if isinstance(part, torch.nn.Module)), None)


def model_fingerprint(model: object) -> str | None:
    """A digest of a model's weights and settings, the same in every process; 24 hex digits.

    Of every parameter and buffer its name, shape and evenly spaced values: training moves all of them. Of every module
    its type and, where sentence-transformers asks for it, its configuration (how it pools, say); of the tokenizer what
    changes a text's tokens; and the versions of the libraries that encode.

    Returns:
        None for a model without torch parameters (an API, say): only its name and revision tell it from others.
    """
    import torch

    module = torch_module(model)
    if module is None:
        return None
    digest = hashlib.sha256()
    with torch.no_grad():
        for name, tensor in sorted(module.state_dict().items()):
            if not isinstance(tensor, torch.Tensor):  # extra state of a module, which may be anything
                continue
            digest.update(f"\n{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
            digest.update(_sample(tensor).tobytes())
    for setting in _SETTINGS:
        digest.update(f"\n{setting} {getattr(module, setting, None)!r}".encode())
    for name, part in module.named_modules():
        digest.update(f"\n{name} {type(part).__qualname__} {_configuration(part)}".encode())
    tokenizer = getattr(module, "tokenizer", None)
    for setting in _TOKENIZER:
        digest.update(f"\n{setting} {getattr(tokenizer, setting, None)!r}".encode())
    for library in _LIBRARIES:
        digest.update(f"\n{library} {public_version(library)}".encode())
    return digest.hexdigest()[:24]


def public_version(package: str) -> str:
    """A package's version without what tells builds of it apart: torch's are named after a GPU or the CPU."""
    return version(package).partition("+")[0]


def _configuration(module: Any) -> str:
    """The configuration of a module of sentence-transformers, and which adapter is at work."""
    describe = getattr(module, "get_config_dict", None)
    try:
        configuration = describe() if callable(describe) else None
    except Exception as error:  # noqa: BLE001 - other people's modules; one that cannot say tells nothing
        configuration = type(error).__name__
    active = getattr(module, "active_adapter", None)  # a LoRA layer's; a method elsewhere
    return f"{configuration!r} {None if callable(active) else active!r} {getattr(module, '_disable_adapters', None)!r}"


def _sample(tensor: Any) -> Any:
    if not tensor.numel() or tensor.is_meta or tensor.is_sparse or tensor.is_quantized:
        return np.empty(0)
    values = tensor.detach().reshape(-1)[:: max(1, tensor.numel() // _SAMPLED)]
    return (values.real if values.is_complex() else values).double().cpu().numpy()
