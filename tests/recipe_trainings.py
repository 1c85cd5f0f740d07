"""A tiny model, a recipe for it, and a training by it, for tests without a network."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_recipes import tiny_model, tiny_recipe

from mteb_hybrid.trainers.recipes import Recipe, TrainingSummary, train


@pytest.fixture(autouse=True, scope="module")
def _no_network() -> Iterator[None]:
    """Whoever connects to anything but another process of this machine fails."""
    before = socket.socket.connect

    def connect(self: socket.socket, *where: Any) -> None:
        assert self.family == socket.AF_UNIX, "a training from local files needs no network"
        before(self, *where)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def recipe(base: Path) -> Recipe:
    small = ["evaluation.collection=miniqa-r", "evaluation.languages=['de', 'tr']", "evaluation.max_queries=4"]
    return tiny_recipe(base, "sampler.alpha=0.4", "evaluation.max_passages=9", *small)


@pytest.fixture(scope="module")
def trained(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingSummary]:
    """The output directory of a training that was never interrupted, and its summary."""
    output = tmp_path_factory.mktemp("trained") / "mine"
    return output, train(recipe, output)


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "model.safetensors"))


def assert_same_weights(one: Path, other: Path) -> None:
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)
