"""The store of embeddings forgets a model whose weights change, and no other."""

from __future__ import annotations

import gc
import math

import pytest
import torch
from stored_encoders import Encoder, Model

from mteb_hybrid.embeddings import EmbeddingStore


class Wrapper:
    """A model that holds its torch module as MTEB's wrappers do."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.model = module


def optimizer_step(module: torch.nn.Module) -> None:
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    module(torch.ones(1, 4)).sum().backward()
    optimizer.step()


def replace_parameter(module: torch.nn.Module) -> None:
    module.weight = torch.nn.Parameter(module.weight.detach() + 1)


def in_place(module: torch.nn.Module) -> None:
    with torch.no_grad():
        module.weight.add_(1e-3)


CHANGES = {
    "add_": in_place,
    "one value": lambda module: module.weight.detach()[2, 1].add_(1.0),
    "data.mul_": lambda module: module.weight.data.mul_(1.001),
    "data =": lambda module: setattr(module.weight, "data", module.weight.data + 1),
    "bias.data": lambda module: module.bias.data.add_(1),
    "optimizer": optimizer_step,
    "load_state_dict": lambda module: module.load_state_dict({k: v + 1 for k, v in module.state_dict().items()}),
    "assigning state dict": lambda module: module.load_state_dict(
        {k: v + 1 for k, v in module.state_dict().items()}, assign=True
    ),
    "parameter": replace_parameter,
    "type": lambda module: module.double(),
    "buffer": lambda module: module.running.add_(1),
}


def linear() -> torch.nn.Linear:
    module = torch.nn.Linear(4, 4)
    module.register_buffer("running", torch.zeros(3))
    return module


class TestWeights:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    @pytest.mark.parametrize("wrap", [lambda module: module, Wrapper], ids=["module", "wrapped"])
    def test_changed(self, change, wrap):
        """Embeddings of a model whose weights have changed are forgotten, under all keys; those of others are not."""
        store, module, other = EmbeddingStore(), linear(), linear()
        model, encoder, untouched = wrap(module), Encoder(), Encoder()
        for _ in range(2):
            store.embed(model, "k", ["a", "b"], encoder)
            store.embed(model, "l", ["a"], encoder)
            store.embed(other, "k", ["a"], untouched)
        assert encoder.batches == [["a", "b"], ["a"]]
        change(module)
        for _ in range(2):
            store.embed(model, "k", ["b"], encoder)
            store.embed(model, "l", ["a"], encoder)
            store.embed(other, "k", ["a"], untouched)
        assert encoder.batches == [["a", "b"], ["a"], ["b"], ["a"]]
        assert untouched.batches == [["a"]]

    def test_used_without_change(self):
        """Forward passes, a gradient that is computed but not applied, and eval mode do not count as a change."""
        store, module, encoder = EmbeddingStore(), linear(), Encoder()
        store.embed(module, "k", ["a"], encoder)
        module(torch.ones(1, 4)).sum().backward()
        module.eval().requires_grad_(False)
        with torch.inference_mode():
            module(torch.ones(1, 4))
        store.embed(module, "k", ["a"], encoder)
        assert encoder.batches == [["a"]]

    def test_parameters_made_in_inference_mode(self):
        """Parameters that count no changes of their own are watched by their values."""
        store, encoder = EmbeddingStore(), Encoder()
        with torch.inference_mode():
            module = torch.nn.Linear(4, 4)
        for _ in range(2):
            store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 1
        with torch.inference_mode():
            module.weight.mul_(2)
        store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 2

    def test_data_changed_beside_an_infinite_buffer(self):
        """A mask of -inf among the buffers, as in causal text encoders, hides no change of the weights."""
        store, module, encoder = EmbeddingStore(), linear(), Encoder()
        module.register_buffer("mask", torch.full((77, 77), -math.inf).triu(1))
        store.embed(module, "k", ["a"], encoder)
        module.weight.data.mul_(2)
        store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 2

    def test_unchanged_beside_a_nan_buffer(self):
        """NaN among the buffers does not pass for a change at every call."""
        store, module, encoder = EmbeddingStore(), linear(), Encoder()
        module.register_buffer("unset", torch.full((3,), math.nan))
        for _ in range(2):
            store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 1

    def test_data_of_layers_exchanged(self):
        """Values that change places, so that their sum stays, are a change."""
        store, encoder = EmbeddingStore(), Encoder()
        module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
        store.embed(module, "k", ["a"], encoder)
        first, second = module[0].weight.data.clone(), module[1].weight.data.clone()
        module[0].weight.data.copy_(second)
        module[1].weight.data.copy_(first)
        store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 2

    def test_offloaded_parameters(self):
        """Parameters on the meta device, which accelerate leaves where it has offloaded them, can be watched too."""
        store, encoder = EmbeddingStore(), Encoder()
        module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2, device="meta"))
        for _ in range(2):
            store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 1

    def test_state_that_encoding_sets_up(self):
        """What a model sets up while it encodes (a cache of positions, its device) is no change of its weights."""
        store, module, encoder = EmbeddingStore(), linear(), Encoder()

        def encode(texts):
            module.register_buffer("positions", torch.arange(8.0), persistent=False)
            return encoder(texts)

        for _ in range(2):
            store.embed(module, "k", ["a"], encode)
        assert encoder.batches == [["a"]]

    @pytest.mark.parametrize("cls", [Model, lambda: torch.nn.Linear(2, 2)], ids=["plain", "torch"])
    def test_collected_with_the_model(self, cls):
        """When a model is gone its embeddings are gone, and no others; a later model at its address finds none."""
        store, other, encoder = EmbeddingStore(), Model(), Encoder()
        store.embed(other, "k", ["a"], encoder)
        kept = store.nbytes
        for _ in range(4):  # likely to be given the same address again
            model, mine = cls(), Encoder()
            store.embed(model, "k", ["a"], mine)
            assert mine.batches == [["a"]]
            assert store.nbytes == 2 * kept
            del model
            gc.collect()
            assert store.nbytes == kept
        store.embed(other, "k", ["a"], encoder)
        assert encoder.batches == [["a"]]

    def test_model_without_weak_references(self):
        """A model that cannot be referenced weakly is not confused with a later one, and its texts are kept."""

        class Slotted:
            __slots__ = ()

        store = EmbeddingStore()
        for _ in range(20):
            model, encoder = Slotted(), Encoder()
            for _ in range(2):
                store.embed(model, "k", ["a"], encoder)
            assert encoder.batches == [["a"]]
            del model
