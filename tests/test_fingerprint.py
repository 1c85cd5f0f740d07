"""Which model is this? The same answer in every process, and another one for other weights or settings."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from encoders import CountingEncoder
from tiny_models import sentence_transformer

from mteb_hybrid.fingerprint import model_fingerprint

IN_ANOTHER_PROCESS = """
import sys
import torch
from mteb_hybrid.fingerprint import model_fingerprint
print(model_fingerprint(torch.load(sys.argv[1], weights_only=False)))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return sentence_transformer(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def model(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


def network(seed=0) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(4, 300), torch.nn.BatchNorm1d(300), torch.nn.Linear(300, 2))


def test_the_same_in_another_process(tmp_path):
    """Loaded in a process with other hashes of strings: the same 24 hex digits."""
    torch.save(network(), tmp_path / "network.pt")
    other = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, str(tmp_path / "network.pt")],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    own = model_fingerprint(network())
    assert own == other.stdout.strip()
    assert own is not None
    assert len(own) == 24
    assert int(own, 16) >= 0


def test_the_same_when_loaded_again(folder, model):
    """A sentence-transformers directory that is read twice; one with other random weights is another."""
    from sentence_transformers import SentenceTransformer

    assert model_fingerprint(SentenceTransformer(str(folder), device="cpu")) == model_fingerprint(model)
    other = sentence_transformer(folder.with_name("other"), seed=1)
    assert model_fingerprint(SentenceTransformer(str(other), device="cpu")) != model_fingerprint(model)


def test_the_same_whatever_wraps_it(model):
    """MTEB's wrapper around a model has the model's fingerprint."""
    from mteb.models import SentenceTransformerEncoderWrapper

    assert model_fingerprint(SentenceTransformerEncoderWrapper(model)) == model_fingerprint(model)


def test_encoding_does_not_change_it(model):
    """It is taken before and after a run, and must be the same."""
    before = model_fingerprint(model)
    model.encode(["some text", "some other text"])
    assert model_fingerprint(model) == before
    assert model_fingerprint(model.eval()) == before


@pytest.mark.parametrize("setting", ["max_seq_length", "truncate_dim", "similarity_fn_name"])
def test_settings_count(model, setting):
    """What changes embeddings and is no weight."""
    before = model_fingerprint(model)
    setattr(model, setting, {"max_seq_length": 17, "truncate_dim": 4, "similarity_fn_name": "dot"}[setting])
    assert model_fingerprint(model) != before


def test_training_changes_it(model):
    """One step of an optimiser, with the smallest learning rate that moves anything."""
    before = model_fingerprint(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    features = model.tokenize(["some text"])
    model(features)["sentence_embedding"].sum().backward()
    optimizer.step()
    assert model_fingerprint(model) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net[0].weight.data.add_(1e-6),
        lambda net: net[2].bias.data.mul_(2),
        lambda net: net[1].running_mean.add_(1),
        lambda net: net.half(),
        lambda net: net.append(torch.nn.Linear(2, 2)),
        lambda net: net.__setitem__(2, torch.nn.Linear(300, 3)),
    ],
    ids=["weight", "bias", "buffer", "precision", "layer", "shape"],
)
def test_every_kind_of_change_counts(change):
    """Weights, buffers, precision, layers and shapes; a network with the same seed is the same."""
    changed = network()
    assert model_fingerprint(changed) == model_fingerprint(network())
    change(changed)
    assert model_fingerprint(changed) != model_fingerprint(network())


def test_parameters_in_another_place_count():
    """Two layers of one shape that change places are another network."""
    one = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    other = torch.nn.Sequential(one[1], one[0])
    assert model_fingerprint(one) != model_fingerprint(other)


def test_without_torch_parameters_there_is_none():
    """An API, say: only name and revision tell it from others."""
    assert model_fingerprint(CountingEncoder()) is None
    assert model_fingerprint(object()) is None


class Odd(torch.nn.Module):
    """Empty, scalar, whole, complex, bfloat16 and sparse tensors, one on no device, and state that is no tensor."""

    def __init__(self, extra):
        super().__init__()
        self.extra = extra
        tensors = {
            "empty": torch.empty(0, 3),
            "scalar": torch.tensor(2.0),
            "whole": torch.arange(5),
            "yes": torch.tensor([True, False]),
            "complex": torch.tensor([1 + 2j]),
            "short": torch.ones(3, dtype=torch.bfloat16),
            "sparse": torch.eye(3).to_sparse(),
            "meta": torch.empty(3, device="meta"),
        }
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def get_extra_state(self):
        return self.extra

    def set_extra_state(self, state):
        self.extra = state


def test_odd_tensors_are_no_obstacle():
    """Whatever a model keeps in its state, it has a fingerprint, and a changed value among them changes it."""
    odd = Odd({"scale": 1.0})
    before = model_fingerprint(odd)
    assert before == model_fingerprint(Odd({"scale": 1.0}))
    odd.whole += 1
    assert model_fingerprint(odd) != before


def test_how_a_model_pools_is_part_of_it(model):
    """The same weights, another pooling: other embeddings, and another fingerprint."""
    before = model_fingerprint(model)
    pooling = model[1]
    name = next(name for name in ("pooling_mode", "pooling_mode_mean_tokens") if hasattr(pooling, name))
    setattr(pooling, name, "cls" if name == "pooling_mode" else False)
    assert model_fingerprint(model) != before


def test_prompts_and_tokenizer_are_part_of_it(model):
    """What changes the tokens of a text changes the fingerprint."""
    before = model_fingerprint(model)
    model.default_prompt_name = "query"
    prompted = model_fingerprint(model)
    model.tokenizer.model_max_length = 7
    assert len({before, prompted, model_fingerprint(model)}) == 3
