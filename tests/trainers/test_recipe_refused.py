"""What is found out about a recipe before it costs anything: refusals and dry runs."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from recipe_trainings import _no_network  # noqa: F401 - for every test here

from mteb_hybrid.errors import RecipeError
from mteb_hybrid.trainers.recipes import Recipe, TrainingSummary, run, train


class TestRefused:
    """What is found out before it costs anything."""

    @pytest.fixture(autouse=True)
    def _no_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def load_model(*_: Any) -> None:
            raise AssertionError("the model is loaded last")

        monkeypatch.setattr(run, "load_model", load_model)

    def test_no_accelerate(self, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
        """The message names the command that helps."""
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(RecipeError, match=r'pip install "mteb-hybrid\[train\]"'):
            train(recipe, dry_run=True)

    def test_no_output(self, recipe: Recipe) -> None:
        """Somewhere the model must go."""
        with pytest.raises(RecipeError, match=r"output\.directory: is missing; --output"):
            train(recipe)

    def test_batches_too_large(self, recipe: Recipe, tmp_path: Path) -> None:
        """Data that cannot fill a batch; and nothing is written."""
        with pytest.raises(RecipeError, match=r"training\.batch_size: .*a step needs 400"):
            train(recipe.changed(["training.batch_size=400"]), tmp_path / "mine")
        assert not (tmp_path / "mine").exists()

    @pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
    def test_evaluation(self, recipe: Recipe) -> None:
        """A metric or a language that the evaluation's data does not have."""
        changes = ["evaluation.metric=rank_distance", "evaluation.languages=['en']"]
        with pytest.raises(RecipeError, match=r"evaluation\.metric: main_metric must be one of"):
            train(recipe.changed(changes), dry_run=True)
        changes = ["evaluation.held_out=", "evaluation.metric=multilingual_map", "evaluation.languages=['xx']"]
        with pytest.raises(RecipeError, match=r"evaluation\.languages: the collection has .*, and not xx"):
            train(recipe.changed(changes), dry_run=True)

    def test_fp16(self, recipe: Recipe) -> None:
        """Without a GPU there is bf16."""
        with pytest.raises(RecipeError, match=r"training\.precision: fp16 needs a GPU"):
            train(recipe.changed(["training.precision=fp16"]), dry_run=True)


class TestDryRun:
    """Everything but the training."""

    def test_writes_nothing(self, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The steps are counted."""
        monkeypatch.chdir(tmp_path)
        summary = train(recipe.changed(["training.steps=", "training.epochs=1.5"]), tmp_path / "mine", dry_run=True)
        assert summary.steps == 15  # 40 items in batches of 4 are 10 steps
        assert list(tmp_path.iterdir()) == []

    def test_directory_is_looked_at(self, trained: tuple[Path, TrainingSummary], recipe: Recipe) -> None:
        """What the training would refuse is refused."""
        with pytest.raises(RecipeError, match="is not empty: --resume goes on with it"):
            train(recipe, trained[0], dry_run=True)

    def test_damaged_model(self, recipe: Recipe, tmp_path: Path) -> None:
        """Whatever is wrong with its files, the key is named."""
        shutil.copytree(recipe.model.name, tmp_path / "base")
        (tmp_path / "base" / "model.safetensors").write_bytes(b"cut off")
        with pytest.raises(RecipeError, match=r"model\.name: .*base cannot be loaded"):
            train(recipe.changed([f"model.name={tmp_path / 'base'}"]), dry_run=True)

    def test_no_such_model(self, recipe: Recipe, tmp_path: Path) -> None:
        """A directory that is no model."""
        (tmp_path / "empty").mkdir()
        with pytest.raises(RecipeError, match=r"model\.name: .*empty cannot be loaded"):
            train(recipe.changed([f"model.name={tmp_path / 'empty'}"]), dry_run=True)

    def test_too_long(self, recipe: Recipe) -> None:
        """More tokens than the model has positions would fail at the first long text."""
        with pytest.raises(
            RecipeError, match=r"model\.max_seq_length: must be at most 64, the positions of .*, got 65"
        ):
            train(recipe.changed(["model.max_seq_length=65"]), dry_run=True)
