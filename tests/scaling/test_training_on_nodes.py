"""A recipe on the nodes of a Ray cluster, one of which is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray_clusters import NODE, lose, simulated_cluster
from safetensors.numpy import load_file
from tiny_recipes import dropless_model, tiny_recipe

from mteb_hybrid.errors import ClusterError, RecipeError
from mteb_hybrid.scaling.training import train_on_ray
from mteb_hybrid.trainers.recipes import Recipe

pytest.importorskip("accelerate", reason="training needs accelerate")
pytest.importorskip("ray.train", reason="a cluster needs ray[train]", exc_type=ImportError)
pytestmark = pytest.mark.slow

STEPS = 100
HUB_NAME = "somebody/tiny"
SCRIPTS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and a recipe, and the hub's cache with the same model."""
    folder = tmp_path_factory.mktemp("work")
    dropless_model(folder / "base")
    changes = ["loss.gather_across_devices=true", f"training.steps={STEPS}", "evaluation=", "training.save_every=10"]
    (folder / "mine.toml").write_text(tiny_recipe("base", *changes).to_toml(), encoding="utf-8")
    repository = folder / "home" / "hub" / f"models--{HUB_NAME.replace('/', '--')}"
    shutil.copytree(folder / "base", repository / "snapshots" / ("0" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    return folder


@pytest.fixture(scope="module")
def launched(folder: Path) -> dict[str, Any]:
    """The weights that two processes on one machine arrive at."""
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--main_process_port", "0", "-m", "mteb_hybrid.cli", "train", "mine.toml", "--output", "launched"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(launch, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return weights(folder / "launched")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Any]:
    """Two nodes with a CPU each: two workers need both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(folder / "home"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        with simulated_cluster(2) as cluster:
            yield cluster


@pytest.fixture
def recipe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The recipe, in the folder that its paths are relative to."""
    monkeypatch.chdir(folder)
    return Recipe.read("mine.toml")


def command(folder: Path, cluster: Any, output: Path, *options: str) -> subprocess.Popen[str]:
    """``mteb-hybrid train`` on the cluster."""
    return subprocess.Popen(
        [str(SCRIPTS / "mteb-hybrid"), "train", "mine.toml", "--output", str(output), *options,
         "--ray", cluster.address, "--workers", "2"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "COLUMNS": "200", "RAY_DEDUP_LOGS": "0"},
    )  # fmt: skip


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "model.safetensors"))


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_as_two_processes_of_one_machine(
    recipe: Recipe, folder: Path, cluster: Any, launched: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two nodes they learn the same; paths are those of the command, wherever workers run."""
    monkeypatch.setenv("HOME", str(folder))
    summary = train_on_ray(recipe, "~/models/mine", workers=2)
    assert (summary.processes, summary.trained_steps) == (2, STEPS)
    assert summary.output == str(folder / "models" / "mine")
    assert_same(weights(folder / "models" / "mine"), launched)
    assert not [one for one in (folder / "models" / "mine").iterdir() if one.name.startswith(".")]


def test_a_node_is_lost(folder: Path, cluster: Any, launched: dict[str, Any], tmp_path: Path) -> None:
    """With a new node the training goes on from the last checkpoint, and ends as if nothing had been lost."""
    process = command(folder, cluster, tmp_path / "lost")
    deadline = time.monotonic() + 300
    while len(list((tmp_path / "lost").glob("training/checkpoint-*/trainer_state.json"))) < 2:  # the first is whole
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    lose(cluster, next(iter(cluster.worker_nodes)))
    assert not (tmp_path / "lost" / "modules.json").exists()
    cluster.add_node(num_cpus=1, **NODE)
    out, _ = process.communicate(timeout=600)
    assert process.returncode == 0, out[-3000:]
    assert "restart 1 of 3" in out
    assert "going on from checkpoint-" in out
    assert f"{STEPS} of {STEPS}" in out
    assert_same(weights(tmp_path / "lost"), launched)


def test_an_error_of_ours(folder: Path, cluster: Any, tmp_path: Path) -> None:
    """One node has no such model, while the other one waits for it: said once, with exit code 2, not tried again."""
    missing = tmp_path / "nothing"
    missing.mkdir()
    lose(cluster, next(iter(cluster.worker_nodes)))
    node = cluster.add_node(num_cpus=1, env_vars={"HF_HOME": str(missing)}, **NODE)
    try:
        process = command(folder, cluster, tmp_path / "model", "--set", f"model.name={HUB_NAME}")
        out, _ = process.communicate(timeout=600)
    finally:
        lose(cluster, node)
        cluster.add_node(num_cpus=1, **NODE)
    assert process.returncode == 2, out[-3000:]
    last = next(line for line in out.splitlines() if line.startswith("error: "))
    assert last.startswith(f"error: mine.toml: model.name: {HUB_NAME} cannot be loaded")
    assert "restart 1 of" not in out
    assert "Traceback" not in out
    assert not (tmp_path / "model" / "modules.json").exists()


def test_storage_that_is_not_shared(recipe: Recipe, cluster: Any) -> None:
    """A directory that is another one for every process is found out before anything is loaded."""
    with pytest.raises(RecipeError, match=r"output\.directory: /proc/self/cwd/model on .* is not that on "):
        train_on_ray(recipe, "/proc/self/cwd/model", workers=2)


def test_failed_for_good(recipe: Recipe, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ray Train says in the end is in our error."""
    from ray.train.torch import TorchTrainer

    def fit(trainer: TorchTrainer) -> None:
        raise RuntimeError("Training failed\nEven more\nConnectionError: no route")

    monkeypatch.setattr(TorchTrainer, "fit", fit)
    with pytest.raises(ClusterError, match=r"started 0 times: ConnectionError: no route\. --resume goes on"):
        train_on_ray(recipe, tmp_path / "model", workers=2)
