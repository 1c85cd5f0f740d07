"""Torture of `mteb-hybrid train`, with a BERT of eight dimensions."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from subject import State, Subject, mark, whole

STEPS, EVERY = 24, 4
OPTIONS = {
    "training.steps": STEPS, "training.save_every": EVERY, "evaluation.every": EVERY, "training.logging_steps": EVERY,
    "training.keep_checkpoints": 2, "evaluation.metric": "multilingual_map",
}  # fmt: skip


class Training(Subject):
    """24 steps with a checkpoint after every four."""

    name = "train"

    def prepare(self) -> None:
        """A model and a recipe."""
        from tiny_recipes import tiny_model, write_recipe

        write_recipe(self.shared / "recipe.toml", tiny_model(self.shared / "model"))

    def command(self, folder: Path) -> list[str]:
        """It begins, or goes on."""
        options = [part for name, value in OPTIONS.items() for part in ("--set", f"{name}={value}")]
        return ["mteb-hybrid", "train", str(self.shared / "recipe.toml"), "--output", "made", "--resume", *options]

    def state(self, folder: Path) -> State:
        """The last complete checkpoint is what a run goes on from; a model that is there is whole."""
        from mteb_hybrid.trainers.recipes.output import _is_complete

        made = folder / "made"
        checkpoints = [path for path in made.glob("training/checkpoint-*") if _is_complete(path, 1)]
        names = [path.name for path in made.glob("training/checkpoint-*")] if made.exists() else []
        models = [path.name for path in made.glob("training/.model-*")]
        # the trainer writes its own, and what is not yet a model lies in a folder that the next run removes
        writing = whole(made, foreign=[*names, *models, "trainer_state.json"])
        steps = {path: int(path.name.removeprefix("checkpoint-")) for path in checkpoints}
        last = max(steps.values(), default=0)
        done = (made / "training" / "summary.json").exists()
        finished = {}
        if done or (made / "modules.json").exists():
            self._load(made)
        if done:
            finished = {"model": mark(made / "model.safetensors"), "summary": mark(made / "training" / "summary.json")}
        kept = {path.name: mark(path / "trainer_state.json") for path in checkpoints}
        return State(1.0 if done else 0.95 * last / STEPS, finished, kept, {"steps": last}, writing + len(models))

    def outcome(self, folder: Path) -> dict[str, Any]:
        """Weights, scores, and the evaluations on the way, each once."""
        from safetensors.numpy import load_file

        summary = json.loads((folder / "made" / "training" / "summary.json").read_text(encoding="utf-8"))
        assert not list((folder / "made" / "training").glob(".model-*")), "half a model was left"
        return {
            **summary["metrics"],
            **self._evaluations(folder / "made" / "training" / "eval"),
            "steps": summary["trained_steps"],
            **load_file(folder / "made" / "model.safetensors"),
        }

    @staticmethod
    def _evaluations(folder: Path) -> dict[str, float]:
        """What the evaluator has noted down, by row and column."""
        (file,) = folder.glob("*.csv")
        with file.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        return {
            f"evaluation {row} {name}": float(value) for row, cells in enumerate(rows) for name, value in cells.items()
        }

    @staticmethod
    def _load(made: Path) -> None:
        from sentence_transformers import SentenceTransformer

        SentenceTransformer(str(made), device="cpu")
