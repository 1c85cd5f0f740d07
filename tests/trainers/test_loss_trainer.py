"""HybridLoss in what sentence-transformers has: its trainer, wrapping losses, model cards."""

from __future__ import annotations

import copy
import functools
import json

import pytest
from host_losses import CachedMultipleNegativesRankingLoss, MatryoshkaLoss, MultipleNegativesRankingLoss
from loss_batches import EVERY, FIVE, PASSAGES, QUERIES, assert_equal, labels, value_and_gradient
from sentence_transformers import SentenceTransformerTrainer
from sentence_transformers.util import cos_sim, dot_score

from mteb_hybrid.trainers.labels import encode_label
from mteb_hybrid.trainers.losses.hybrid import HybridLoss


class TestInSentenceTransformers:
    def test_description(self, model):
        """What the model card shows: options that JSON holds, the paper, the temperature."""
        loss = HybridLoss(model, 50.0, functools.partial(dot_score), directions=EVERY, mini_batch_size=2)
        assert json.loads(json.dumps(loss.get_config_dict())) == {
            "scale": 50.0,
            "similarity_fct": "dot_score",
            "mini_batch_size": 2,
            "gather_across_devices": False,
            "directions": list(EVERY),
            "partition_mode": "joint",
            "mask_same_item": True,
            "positives": "own",
            "consistency": 0.0,
            "log_parts": True,
        }
        assert HybridLoss(model, positives="parallel").get_config_dict()["positives"] == "parallel"
        assert HybridLoss(model).get_config_dict()["similarity_fct"] == cos_sim.__name__
        assert loss.temperature == 0.02
        assert "arXiv:2408.10536" in loss.citation

    @pytest.mark.parametrize("mini_batch_size", [None, 4])
    def test_the_trainer_can_replace_the_model(self, model, mini_batch_size):
        """After the trainer has put another model in (DDP, compile), that one is embedded with, and it alone."""
        loss = HybridLoss(model, mini_batch_size=mini_batch_size)
        other = copy.deepcopy(model)
        SentenceTransformerTrainer.__new__(SentenceTransformerTrainer).override_model_in_loss(loss, other)
        assert loss.model is other
        model.register_forward_pre_hook(lambda *_: pytest.fail("the old model is used"))
        assert len(value_and_gradient(loss, FIVE[:3], labels())) > 1
        assert all(weight.grad is None for weight in model.parameters())

    @pytest.mark.parametrize("mini_batch_size", [None, 4])
    def test_matryoshka(self, loaded, mini_batch_size):
        """MatryoshkaLoss around it is MatryoshkaLoss around theirs; cached where theirs asks for it."""
        found = []
        for ours in (False, True):
            model = copy.deepcopy(loaded).double().eval()
            if mini_batch_size is None:
                inner = HybridLoss(model, log_parts=False) if ours else MultipleNegativesRankingLoss(model)
            elif ours:
                inner = HybridLoss(model, log_parts=False, mini_batch_size=mini_batch_size)
            else:
                inner = CachedMultipleNegativesRankingLoss(model, mini_batch_size=mini_batch_size)
            if mini_batch_size and not getattr(inner, "uses_gradient_cache", False):
                pytest.skip("this sentence-transformers knows its own cached losses only")
            loss = MatryoshkaLoss(model, inner, [8, 4, 2], [1.0, 0.5, 0.25])
            found.append(value_and_gradient(loss, FIVE[:3], labels(items=range(6)) if ours else None))
        assert_equal(*found)

    @pytest.mark.parametrize("mini_batch_size", [None, 2])
    def test_training(self, loaded, tmp_path, mini_batch_size):
        """Four steps of the trainer on a plain data set with labels: both parts are logged and add up to the loss."""
        pytest.importorskip("accelerate")
        from datasets import Dataset
        from sentence_transformers import SentenceTransformerTrainingArguments

        model, rows = copy.deepcopy(loaded), 8
        dataset = Dataset.from_dict(
            {
                "anchor": [f"{QUERIES[row % 6]} {row}" for row in range(rows)],
                "positive": [f"{PASSAGES[row % 6]} {row}" for row in range(rows)],
                "label": [encode_label(row // 2, row % 2) for row in range(rows)],
            }
        )
        arguments = SentenceTransformerTrainingArguments(
            str(tmp_path),
            per_device_train_batch_size=4,
            per_device_eval_batch_size=4,
            max_steps=4,
            logging_steps=1,
            learning_rate=1e-3,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
        )
        loss = HybridLoss(model, mini_batch_size=mini_batch_size)
        trainer = SentenceTransformerTrainer(model, arguments, train_dataset=dataset, eval_dataset=dataset, loss=loss)
        before = [weight.detach().clone() for weight in model.parameters()]
        trainer.train()
        evaluated = trainer.evaluate()
        steps = [entry for entry in trainer.state.log_history if "loss" in entry]
        assert len(steps) == 4
        for entry in steps:
            assert entry["monolingual_loss"] + entry["cross_lingual_loss"] == pytest.approx(entry["loss"], abs=2e-4)
            assert min(entry["monolingual_loss"], entry["cross_lingual_loss"]) > 0
        last = trainer.state.log_history[-1]
        assert last["eval_loss"] == evaluated["eval_loss"]
        parts = last["eval_monolingual_loss"] + last["eval_cross_lingual_loss"]
        assert parts == pytest.approx(evaluated["eval_loss"], abs=2e-4)
        assert any((old != new).any() for old, new in zip(before, model.parameters(), strict=True))
        assert "2408.10536" in model.model_card_data.citations["HybridLoss"]
