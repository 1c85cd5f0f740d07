"""A recipe in two processes, as `accelerate launch` starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from tiny_recipes import dropless_model, tiny_recipe

from mteb_hybrid.trainers.recipes import Recipe, train

pytest.importorskip("accelerate", reason="training needs accelerate")
pytestmark = pytest.mark.slow

STEPS = 30
CHANGES = ["loss.gather_across_devices=true", f"training.steps={STEPS}", "evaluation="]
TEXTS = ["wo ist es", "tell me a story", "because of rain"]
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def start(recipe: Recipe, folder: Path, output: str, *options: str) -> subprocess.Popen[str]:
    """Two processes, as the documentation starts them; on CPUs too ``--multi_gpu`` is what makes them two."""
    (folder / "mine.toml").write_text(recipe.to_toml(), encoding="utf-8")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--main_process_port", "0"]  # any that is free
    return subprocess.Popen(
        [*launch, "-m", "mteb_hybrid.cli", "train", "mine.toml", "--output", output, *options],
        cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def launch(recipe: Recipe, folder: Path, output: str, *options: str) -> tuple[str, str]:
    """What both processes print until they are done."""
    process = start(recipe, folder, output, *options)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err[-3000:]
    return out, err


def kill(process: subprocess.Popen[str]) -> None:
    """All at once, as a machine that goes down."""
    together = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in together:
        one.kill()
    psutil.wait_procs(together)
    process.communicate()


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "model.safetensors"))


def embeddings(folder: Path) -> np.ndarray:
    return SentenceTransformer(str(folder), device="cpu").encode(TEXTS)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return tiny_recipe(dropless_model(tmp_path_factory.mktemp("models") / "base"), *CHANGES)


@pytest.fixture(scope="module")
def launched(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The model of two processes, and what they printed."""
    folder = tmp_path_factory.mktemp("launched")
    out, _ = launch(recipe, folder, "model")
    return folder / "model", out


def test_one_model(launched: tuple[Path, str]) -> None:
    """Both processes train, one of them writes the model and says so."""
    model, out = launched
    assert out.count(f"{STEPS} of {STEPS}") == 1
    assert json.loads((model / "training" / "data.json").read_text())["processes"] == 2
    assert {one.name for one in (model / "training" / f"checkpoint-{STEPS}").glob("rng_state*")} == {
        "rng_state_0.pth",
        "rng_state_1.pth",
    }
    assert not list((model / "training").glob(".model-*"))
    assert np.isfinite(embeddings(model)).all()


def test_as_one_process_with_all_rows(launched: tuple[Path, str], recipe: Recipe, tmp_path: Path) -> None:
    """Two processes learn from different halves of a step what one process learns from all of it.

    If they had the same half, or did not hear of each other, they would learn what one process learns from that half.
    """
    model = embeddings(launched[0])
    double = recipe.changed([f"training.batch_size={2 * recipe.training.batch_size}"])
    train(double, tmp_path / "whole")
    train(recipe, tmp_path / "half")
    np.testing.assert_allclose(model, embeddings(tmp_path / "whole"), atol=1e-4)
    start = embeddings(Path(recipe.model.name))
    for other in (start, embeddings(tmp_path / "half")):
        assert np.abs(model - other).max() > 0.05


def test_killed(launched: tuple[Path, str], recipe: Recipe, tmp_path: Path) -> None:
    """After kill -9 of both and --resume the weights are those of a run that was not killed."""
    process = start(recipe, tmp_path, "killed")
    deadline = time.monotonic() + 300
    while len(list((tmp_path / "killed").glob("training/checkpoint-*/trainer_state.json"))) < 2:  # the first is whole
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    kill(process)
    assert not (tmp_path / "killed" / "modules.json").exists()
    _, err = launch(recipe, tmp_path, "killed", "--resume")
    assert err.count("going on from checkpoint-") == 1
    expected = weights(launched[0])
    for name, array in weights(tmp_path / "killed").items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
