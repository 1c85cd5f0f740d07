"""Training by a recipe: what comes out, and that it is what the recipe asked for."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pytest
import torch
from mteb.types import PromptType
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from tiny_recipes import tiny_model, tiny_recipe

from mteb_hybrid import _mteb
from mteb_hybrid.errors import RecipeError
from mteb_hybrid.trainers import HybridBatchSampler
from mteb_hybrid.trainers.losses.hybrid import HybridLoss
from mteb_hybrid.trainers.recipes import Recipe, TrainingSummary, run, train
from mteb_hybrid.trainers.recipes.data import build_views
from mteb_hybrid.trainers.recipes.output import OutputDirectory


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


class TestResult:
    """What a training leaves."""

    def test_summary(self, trained: tuple[Path, TrainingSummary]) -> None:
        """Numbers of items and steps, and the scores of the model that was saved."""
        output, summary = trained
        assert summary.output == str(output)
        assert (summary.items, summary.held_out) == ({"miniqa-r": 40}, 8)
        assert summary.languages == ["de", "en", "es", "tr"]
        assert (summary.steps, summary.trained_steps, summary.best_step) == (4, 4, None)
        assert summary.metrics is not None
        assert {"loss", "miniqa-r_multilingual_map", "miniqa-r_rank_distance"} <= set(summary.metrics)

    def test_weights_were_trained(self, trained: tuple[Path, TrainingSummary], base: Path) -> None:
        """The base model is not what is saved."""
        before, after = weights(base), weights(trained[0])
        assert any(not np.array_equal(before[name], after[name]) for name in before)

    def test_prompts(self, trained: tuple[Path, TrainingSummary]) -> None:
        """The recipe's prompts and no others: one of the base model would win over them in MTEB."""
        model = SentenceTransformer(str(trained[0]), device="cpu")
        assert model.prompts == {"query": "ask ", "document": "tell "}
        assert model.default_prompt_name is None
        assert model.max_seq_length == 48

    def test_held_out_loss_is_that_of_mteb(self, trained: tuple[Path, TrainingSummary], recipe: Recipe) -> None:
        """Texts embedded as `mteb run` embeds them give the trainer's held-out loss: prompts and cut are the same."""
        output, summary = trained
        assert summary.metrics is not None
        held_out = build_views(recipe).held_out
        assert held_out is not None
        model = mteb.get_model(str(output), device="cpu")
        metadata = mteb.get_task("MiniQARMonolingual").metadata

        def embed(texts: list[str], role: PromptType) -> Any:
            loader = _mteb.text_loader(texts, metadata, role, 8)
            found = model.encode(loader, task_metadata=metadata, hf_split="test", hf_subset="en", prompt_type=role)
            found = np.asarray(found, dtype=np.float64)
            return found / np.linalg.norm(found, axis=1, keepdims=True)

        losses = []
        for batch in HybridBatchSampler(held_out, batch_size=4):
            rows = held_out[batch]
            scores = 20 * embed(rows["query"], PromptType.query) @ embed(rows["passage"], PromptType.document).T
            losses.append(np.log(np.exp(scores).sum(axis=1)) - np.diag(scores))
        assert summary.metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-4)

        plain = SentenceTransformer(str(output), device="cpu")
        without = plain.encode(rows["query"])
        assert not np.allclose(plain.encode_query(rows["query"]), without, atol=1e-3)  # or this would prove nothing

    def test_evaluator_sees_the_same(self, trained: tuple[Path, TrainingSummary], recipe: Recipe) -> None:
        """The retrieval metrics of the summary are those of the saved model."""
        from mteb_hybrid.trainers.recipes.evaluation import build_evaluator

        output, summary = trained
        evaluator = build_evaluator(recipe, build_views(recipe))
        assert evaluator is not None
        found = evaluator(SentenceTransformer(str(output), device="cpu"))
        assert summary.metrics is not None
        assert found == pytest.approx({name: summary.metrics[name] for name in found}, abs=1e-9)

    def test_log(self, trained: tuple[Path, TrainingSummary]) -> None:
        """The trainer's log is kept, with the monolingual and the cross-lingual part of the loss apart."""
        log = json.loads((trained[0] / "training" / "trainer_state.json").read_text())["log_history"]
        steps = [line for line in log if "loss" in line]
        for line in steps:
            assert line["monolingual_loss"] + line["cross_lingual_loss"] == pytest.approx(line["loss"], abs=1e-3)
        assert len(steps) >= 2
        evaluations = [line for line in log if "eval_loss" in line]
        assert [line["step"] for line in evaluations][:2] == [2, 4]
        assert "eval_miniqa-r_multilingual_map" in evaluations[0]

    def test_card(self, trained: tuple[Path, TrainingSummary], recipe: Recipe) -> None:
        """Method, alpha, languages, data, recipe and citation; languages in the metadata too; still one card."""
        card = (trained[0] / "README.md").read_text()
        metadata, _, text = card.removeprefix("---\n").partition("\n---\n")
        assert metadata.startswith("language:\n- de\n- en\n- es\n- tr\n")
        for part in (
            "## Hybrid batch training",
            "https://arxiv.org/abs/2408.10536",
            "**Alpha:** 0.4",
            "**Languages:** de, en, es, tr",
            "**Data:** miniqa-r (40 items); 8 items held out",
            "`ask ` before queries",
            recipe.to_toml().strip(),
            "elmahdy-etal-2024-synergistic",
            "## Model Details",
        ):
            assert part in text
        assert text.partition("\n## ")[0].count("\n# ") == 1
        assert "base_model" not in metadata  # a directory is nothing that the hub could link

    def test_only_the_model_counts_as_the_model(self, trained: tuple[Path, TrainingSummary], tmp_path: Path) -> None:
        """For MTEB the directory is the same model with its checkpoints and without them."""
        copy = tmp_path / "mine"
        shutil.copytree(trained[0], copy)
        before = mteb.get_model_meta(str(copy), fetch_from_hf=True)
        shutil.rmtree(copy / "training")
        assert mteb.get_model_meta(str(copy), fetch_from_hf=True).revision == before.revision
        assert before.name == "local/mine"


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
        with pytest.raises(RecipeError, match=r"model\.max_seq_length: .* has 64 positions, got 65"):
            train(recipe.changed(["model.max_seq_length=65"]), dry_run=True)


class TestEarlyStopping:
    """patience, and which model is the result."""

    @pytest.mark.parametrize("metric", ["loss", "miniqa-r_multilingual_map"])
    def test_stops_and_keeps_the_best(self, recipe: Recipe, metric: str, tmp_path: Path) -> None:
        """A learning rate that ruins the model: stopped early, and the model is that of the best evaluation."""
        changes = ["training.learning_rate=2", "training.warmup=3", "training.steps=40", "training.patience=1"]
        changes += [f"evaluation.metric={metric.removeprefix('miniqa-r_')}", "training.keep_checkpoints=1"]
        output = tmp_path / "mine"
        summary = train(recipe.changed(changes), output)
        assert summary.best_step is not None
        assert summary.best_step < summary.trained_steps < summary.steps
        state = json.loads((output / "training" / "trainer_state.json").read_text())
        evaluated = {line["step"]: line[f"eval_{metric}"] for line in state["log_history"] if f"eval_{metric}" in line}
        best = min(evaluated.values()) if metric == "loss" else max(evaluated.values())
        assert summary.metrics is not None
        assert summary.metrics[metric] == pytest.approx(best, abs=1e-4)
        assert_same_weights(output, output / "training" / f"checkpoint-{summary.best_step}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        ["training.precision=bf16"],
        ["model.gradient_checkpointing=true"],
        ["loss.mini_batch_size=2"],
        ["loss.positives=parallel", "loss.consistency=0.1"],
        ["training.gradient_accumulation=2", "training.workers=1"],
        ["sampler.monolingual=mixed", "sampler.alpha=1", "training.schedule=constant"],
        ["sampler.pair_weights.en-de=1", "sampler.alpha=0", "training.warmup=1", "training.schedule=cosine"],
        ["evaluation="],
    ],
    ids=" ".join,
)
def test_options(recipe: Recipe, changes: list[str], tmp_path: Path) -> None:
    """Every option of a recipe reaches the training, which ends with a model of finite weights."""
    summary = train(recipe.changed(changes), tmp_path / "mine")
    assert summary.trained_steps == 4
    assert all(np.isfinite(array).all() for array in weights(tmp_path / "mine").values())
    assert bool(summary.metrics) == (changes != ["evaluation="])


def test_weights_in_half_precision(recipe: Recipe, tmp_path: Path) -> None:
    """A model that was saved in bf16 is trained in float32: small steps would round away."""
    from mteb_hybrid.trainers.recipes.model import load_model

    half = SentenceTransformer(recipe.model.name, device="cpu").bfloat16()
    half.save_pretrained(str(tmp_path / "half"))
    model = load_model(recipe.changed([f"model.name={tmp_path / 'half'}"]), ["de"])
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_interrupted_placing_is_no_model(trained: tuple[Path, TrainingSummary], tmp_path: Path) -> None:
    """Before the summary is written a training does not count as done."""
    shutil.copytree(trained[0], tmp_path / "mine")
    (tmp_path / "mine" / "training" / "summary.json").unlink()
    place = OutputDirectory(tmp_path / "mine")
    assert place.check(Recipe.read(tmp_path / "mine" / "training" / "recipe.toml"), resume=True) is None
