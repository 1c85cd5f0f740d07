"""A training whose steps are done but whose model is not there: it was killed while it evaluated or saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from sentence_transformers import SentenceTransformerTrainer


def training_ended(checkpoint: Path, steps: int, patience: int | None) -> bool:
    """Whether no step comes after a checkpoint: all are done, or the training had stopped early.

    Transformers would do one more step after the last one, and forgets that it had stopped.

    Args:
        checkpoint: A complete checkpoint.
        steps: Steps of the whole training.
        patience: Evaluations without progress after which it stops; None: never.
    """
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    stopping: Any = state.get("stateful_callbacks", {}).get("EarlyStoppingCallback", {})
    waited = stopping.get("attributes", {}).get("early_stopping_patience_counter", 0)
    return bool(state["global_step"] >= steps or (patience is not None and waited >= patience))


def take_result(trainer: SentenceTransformerTrainer, checkpoint: Path, *, best: bool) -> None:
    """Give the trainer state and weights of a training that has ended at a checkpoint.

    Args:
        trainer: The trainer, before any step.
        checkpoint: The last checkpoint.
        best: Whether the weights are those of the best evaluation.
    """
    from sentence_transformers import SentenceTransformer
    from transformers import TrainerState

    trainer.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    number = best_step(trainer.state) if best else None
    source = checkpoint if number is None else checkpoint.with_name(f"checkpoint-{number}")
    model: Any = trainer.model
    model.load_state_dict(SentenceTransformer(str(source), device=str(model.device)).state_dict())


def best_step(state: Any) -> int | None:
    """The step of the best evaluation, of a trainer's state; None if nothing was evaluated."""
    best = state.best_model_checkpoint
    return None if best is None else int(best.rsplit("-", 1)[1])
