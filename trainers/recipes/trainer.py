"""Sentence-transformers' trainer, set up as a recipe says."""

from __future__ import annotations

import functools
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from mteb_hybrid.errors import RecipeError, TrainingDataError
from mteb_hybrid.trainers.losses.hybrid import HybridLoss
from mteb_hybrid.trainers.sampling.sampler import HybridBatchSampler

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )

    from mteb_hybrid.trainers.data.parallel_dataset import ParallelDataset
    from mteb_hybrid.trainers.evaluation.evaluator import ParallelRetrievalEvaluator
    from mteb_hybrid.trainers.recipes.data import Views
    from mteb_hybrid.trainers.recipes.reading import Recipe

_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


@dataclass(frozen=True, slots=True)
class Batches:
    """What the trainer is told about batches.

    Attributes:
        sampler: Makes the batch sampler of a data set.
        steps: Number of optimiser steps of the training.
    """

    sampler: Callable[..., HybridBatchSampler]
    steps: int


def plan_batches(recipe: Recipe, view: ParallelDataset) -> Batches:
    """The batches of a recipe; needs no model.

    Raises:
        RecipeError: The data cannot give such batches; the message names the key.
    """
    training, batches = recipe.training, recipe.sampler
    pairs: Any = batches.pair_weights
    sampler = functools.partial(
        HybridBatchSampler,
        alpha=batches.alpha,
        languages=batches.languages,
        monolingual=batches.monolingual,
        language_weights=batches.language_weights,
        pair_weights=pairs,
        steps_per_epoch=batches.steps_per_epoch,
    )
    try:
        epoch = sampler(view, batch_size=training.batch_size).steps_per_epoch
    except TrainingDataError as error:
        message = str(error)
        option = next(
            (name for name in ("alpha", "language_weights", "pair_weights") if message.startswith(name)), None
        )
        key = "training.batch_size: " if option is None else f"sampler.{option}: "
        raise RecipeError(key + message.removeprefix(f"{option}: ")) from error
    per_epoch = max(1, math.ceil(epoch / training.gradient_accumulation))
    return Batches(sampler, training.steps or max(1, math.ceil((training.epochs or 1) * per_epoch)))


def build_trainer(
    recipe: Recipe,
    views: Views,
    batches: Batches,
    model: SentenceTransformer,
    evaluator: ParallelRetrievalEvaluator | None,
    folder: Path,
) -> SentenceTransformerTrainer:
    """The trainer of a recipe.

    Args:
        recipe: What to train.
        views: Its data.
        batches: Its batches.
        model: Its model.
        evaluator: Its retrieval metrics, if it wants any.
        folder: Where checkpoints and logs go; made if it is not there.
    """
    from sentence_transformers import SentenceTransformerTrainer
    from transformers import EarlyStoppingCallback

    patience = recipe.training.patience
    loss = HybridLoss(
        model,
        recipe.loss.scale,
        mini_batch_size=recipe.loss.mini_batch_size,
        gather_across_devices=recipe.loss.gather_across_devices,
        directions=recipe.loss.directions,
        positives=recipe.loss.positives,
        consistency=recipe.loss.consistency,
    )
    return SentenceTransformerTrainer(
        model,
        _arguments(recipe, views, batches, evaluator, folder),
        train_dataset=views.train,
        eval_dataset=views.held_out,
        loss=loss,
        evaluator=evaluator,
        callbacks=[] if patience is None else [EarlyStoppingCallback(patience)],
    )


def _arguments(
    recipe: Recipe,
    views: Views,
    batches: Batches,
    evaluator: ParallelRetrievalEvaluator | None,
    folder: Path,
) -> SentenceTransformerTrainingArguments:
    from sentence_transformers import SentenceTransformerTrainingArguments

    training = recipe.training
    warmup = training.warmup if isinstance(training.warmup, int) else math.ceil(training.warmup * batches.steps)
    return SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        max_steps=batches.steps,
        per_device_train_batch_size=training.batch_size,
        gradient_accumulation_steps=training.gradient_accumulation,
        optim="adamw_torch",
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        warmup_steps=warmup,
        lr_scheduler_type=_SCHEDULES[training.schedule],
        seed=training.seed,
        use_cpu=trains_on_cpu(),
        bf16=training.precision == "bf16",
        fp16=training.precision == "fp16",
        prompts=views.train.prompts(recipe.model.query_prompt, recipe.model.passage_prompt),
        batch_sampler=batches.sampler,
        dataloader_num_workers=training.workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        dataloader_drop_last=True,  # batches are always full; said here, or each process warns
        logging_steps=training.logging_steps,
        logging_first_step=True,
        save_strategy="steps",
        save_steps=recipe.save_every,
        save_total_limit=training.keep_checkpoints,
        restore_callback_states_from_checkpoint=True,  # how long early stopping has been waiting
        report_to="none",
        **_checkpointing(recipe, SentenceTransformerTrainingArguments),
        **_evaluation(recipe, evaluator),
    )


def trains_on_cpu() -> bool:
    """Whether there is no GPU, or none is to be used (``accelerate launch --cpu``).

    Accelerate and transformers have to be told: else processes on CPUs do not find each other, and bf16 is refused.
    """
    accelerator = getattr(torch, "accelerator", torch.cuda)  # before torch 2.6 there is no such module
    unwanted = os.environ.get("ACCELERATE_USE_CPU", "false").lower() in ("1", "true", "yes", "on", "y", "t")
    return unwanted or not accelerator.is_available()


def _checkpointing(recipe: Recipe, arguments: type) -> dict[str, Any]:
    """Arguments of gradient checkpointing, which transformers has renamed."""
    if not recipe.model.gradient_checkpointing:
        return {}
    name = "activation_checkpointing" if hasattr(arguments, "activation_checkpointing") else "gradient_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}}


def _evaluation(recipe: Recipe, evaluator: ParallelRetrievalEvaluator | None) -> dict[str, Any]:
    """Arguments of the evaluation, none if there is none."""
    evaluation = recipe.evaluation
    if evaluation is None:
        return {}
    metric, greater = "loss", False
    if evaluator is not None and evaluation.metric != "loss":
        metric, greater = str(evaluator.primary_metric), evaluator.greater_is_better
    return {
        "eval_strategy": "steps",
        "eval_steps": evaluation.every,
        "per_device_eval_batch_size": evaluation.batch_size or recipe.training.batch_size,
        "metric_for_best_model": f"eval_{metric}",
        "greater_is_better": greater,
        "load_best_model_at_end": recipe.training.keeps_best,
    }
