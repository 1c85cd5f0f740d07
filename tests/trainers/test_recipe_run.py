"""Training by a recipe: what comes out, early stopping, and that every option arrives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pytest
import torch
from mteb.types import PromptType
from recipe_trainings import (
    _no_network,  # noqa: F401 - for every test here
    assert_same_weights,
    weights,
)
from sentence_transformers import SentenceTransformer

from mteb_hybrid.tasks.loader import text_loader
from mteb_hybrid.trainers import HybridBatchSampler
from mteb_hybrid.trainers.recipes import Recipe, TrainingSummary, train
from mteb_hybrid.trainers.recipes.data import build_views


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
            loader = text_loader(texts, role, 8)
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
