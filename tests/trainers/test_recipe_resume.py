"""Trainings by a recipe that were killed go on as if they had not been."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from recipe_trainings import (
    _no_network,  # noqa: F401 - for every test here
    assert_same_weights,
)

from mteb_hybrid.errors import RecipeError
from mteb_hybrid.trainers.losses.hybrid import HybridLoss
from mteb_hybrid.trainers.recipes import Recipe, TrainingSummary, run, train
from mteb_hybrid.trainers.recipes.output import OutputDirectory


class TestResume:
    """A run that was killed."""

    def interrupted(self, recipe: Recipe, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Train, and die in the third step."""
        forward, calls = HybridLoss.forward, []

        def dying(self: HybridLoss, *arguments: Any) -> Any:
            calls.append(self.model.training)
            if sum(calls) == 3:
                raise KeyboardInterrupt
            return forward(self, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(HybridLoss, "forward", dying)
            with pytest.raises(KeyboardInterrupt):
                train(recipe, output)
        assert not (output / "modules.json").exists()

    def test_ends_as_if_it_was_not(
        self, trained: tuple[Path, TrainingSummary], recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The weights are those of the run that was not interrupted, dropout and all, bit by bit."""
        output = tmp_path / "killed"
        self.interrupted(recipe, output, monkeypatch)
        assert [path.name for path in (output / "training").glob("checkpoint-*")] == ["checkpoint-2"]
        with pytest.raises(RecipeError, match="is not empty: --resume goes on with it"):
            train(recipe, output)
        with pytest.raises(RecipeError, match=r"sampler\.alpha: 0\.4, now 1\.0"):
            train(recipe.changed(["sampler.alpha=1"]), output, resume=True)
        summary = train(recipe, output, resume=True)
        assert_same_weights(output, trained[0])
        assert summary.metrics == trained[1].metrics

    @pytest.mark.parametrize("patience", ["", "1"])
    def test_killed_while_the_model_is_saved(self, recipe: Recipe, tmp_path: Path, patience: str) -> None:
        """All steps are done, or it stopped early, but the model is not there: --resume saves it and trains no more."""
        changes = ["training.schedule=constant", "training.learning_rate=0.5", f"training.patience={patience}"]
        changed = recipe.changed([*changes, f"training.steps={40 if patience else 4}"])
        whole, output = tmp_path / "whole", tmp_path / "unsaved"
        before = train(changed, whole)
        assert before.trained_steps < 40
        shutil.copytree(whole / "training", output / "training")
        (output / "training" / "summary.json").unlink()
        summary = train(changed, output, resume=True)
        assert_same_weights(output, whole)
        assert (summary.trained_steps, summary.best_step) == (before.trained_steps, before.best_step)
        assert summary.metrics == pytest.approx(before.metrics)
        logs = [json.loads((one / "training" / "trainer_state.json").read_text()) for one in (whole, output)]
        losses = [[line for line in log["log_history"] if "loss" in line] for log in logs]
        assert losses[0] == losses[1] != []

    def test_another_base_model(self, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A directory of the same name with other weights is no model to go on with."""
        base = tmp_path / "base"
        shutil.copytree(recipe.model.name, base)
        changed = recipe.changed([f"model.name={base}"])
        self.interrupted(changed, tmp_path / "killed", monkeypatch)
        (base / "config.json").write_text((base / "config.json").read_text() + " ")
        with pytest.raises(RecipeError, match="other data or processes; --output names another directory:\n  model: "):
            train(changed, tmp_path / "killed", resume=True)

    def test_done(self, trained: tuple[Path, TrainingSummary], recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is loaded again, and the summary is the one of before."""
        monkeypatch.setattr(run, "build_views", None)
        assert train(recipe, trained[0], resume=True) == trained[1]


def test_interrupted_placing_is_no_model(trained: tuple[Path, TrainingSummary], tmp_path: Path) -> None:
    """Before the summary is written a training does not count as done."""
    shutil.copytree(trained[0], tmp_path / "mine")
    (tmp_path / "mine" / "training" / "summary.json").unlink()
    place = OutputDirectory(tmp_path / "mine")
    assert place.check(Recipe.read(tmp_path / "mine" / "training" / "recipe.toml"), resume=True) is None
