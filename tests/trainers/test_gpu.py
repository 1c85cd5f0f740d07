"""Training on a CUDA device: the loss of the CPU, and mixed precision through a whole recipe."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from tiny_models import sentence_transformer
from tiny_recipes import tiny_recipe

from mteb_hybrid.trainers import HybridLoss
from mteb_hybrid.trainers.labels import encode_label
from mteb_hybrid.trainers.recipes import train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return sentence_transformer(tmp_path_factory.mktemp("base") / "tiny")


@pytest.mark.parametrize("mini_batch_size", [None, 2])
def test_the_loss_is_that_of_the_cpu(base, mini_batch_size):
    """Value and gradients, with items to mask, in the whole batch and in mini-batches."""
    texts = [["who", "what", "where", "when"], ["a man", "a thing", "here", "now"]]
    labels = torch.tensor([encode_label(item, cross) for item, cross in ((3, 0), (1, 1), (3, 1), (4, 0))])
    found = []
    for device in ("cpu", "cuda"):
        model = SentenceTransformer(str(base), device=device).eval()
        loss = HybridLoss(model, mini_batch_size=mini_batch_size).to(device)
        features = [batch_to_device(model.tokenize(column), torch.device(device)) for column in texts]
        parts = loss(features, labels.to(device))
        total = sum(parts.values())
        total.backward()
        gradients = {name: one.grad.cpu().numpy() for name, one in model.named_parameters() if one.grad is not None}
        found.append((total.item(), gradients))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-4)
    assert found[1][1].keys() == found[0][1].keys()
    for name, gradient in found[0][1].items():
        np.testing.assert_allclose(found[1][1][name], gradient, rtol=1e-2, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision(base, precision, tmp_path):
    """A recipe in mixed precision ends with finite float32 weights."""
    summary = train(tiny_recipe(base, f"training.precision={precision}"), tmp_path / "mine")
    assert summary.trained_steps == summary.steps
    weights = load_file(tmp_path / "mine" / "model.safetensors")
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    assert all(np.isfinite(array).all() for array in weights.values())
