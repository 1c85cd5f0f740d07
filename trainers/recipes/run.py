"""Training by a recipe, on sentence-transformers' trainer."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import socket
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from mteb_hybrid.errors import MtebHybridError, RecipeError
from mteb_hybrid.trainers.recipes.card import write_card
from mteb_hybrid.trainers.recipes.data import build_views, check_paths
from mteb_hybrid.trainers.recipes.ended import best_step, take_result, training_ended
from mteb_hybrid.trainers.recipes.evaluation import build_evaluator
from mteb_hybrid.trainers.recipes.messages import describe
from mteb_hybrid.trainers.recipes.model import base_revision, load_model
from mteb_hybrid.trainers.recipes.output import OutputDirectory
from mteb_hybrid.trainers.recipes.trainer import build_trainer, plan_batches, trains_on_cpu

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer

    from mteb_hybrid.trainers.recipes.data import Views
    from mteb_hybrid.trainers.recipes.reading import Recipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """What a training did.

    Attributes:
        output: The model's directory; None for a dry run.
        items: Number of items trained on, by collection.
        held_out: Number of items held out.
        languages: Languages trained on.
        steps: Optimiser steps that were planned.
        trained_steps: Optimiser steps that were done; fewer where it stopped early.
        best_step: The step that the model is from; None where that is the last one.
        seconds: Wall time of the training; of a resumed one since it was resumed.
        metrics: What the model scores in the evaluation, such as ``loss``; empty without one.
        processes: Number of processes that trained together.
    """

    output: str | None
    items: dict[str, int]
    held_out: int
    languages: list[str]
    steps: int
    trained_steps: int = 0
    best_step: int | None = None
    seconds: float = 0.0
    metrics: dict[str, float] | None = None
    processes: int = 1

    @classmethod
    def of(cls, content: Any, place: Path) -> TrainingSummary:
        """The summary that a training left.

        Args:
            content: What was read.
            place: Where, for messages.

        Raises:
            RecipeError: It is none.
        """
        try:
            return TypeAdapter(cls).validate_python(content)
        except ValidationError as error:
            raise RecipeError(
                f"{place} holds no summary of a training: {describe(error)[0]}; delete it and train again"
            ) from error


def train(
    recipe: Recipe, output: str | Path | None = None, *, resume: bool = False, dry_run: bool = False
) -> TrainingSummary:
    """Train by a recipe.

    Started by ``accelerate launch`` or ``torchrun``, all processes train together.

    Args:
        recipe: What to train.
        output: The model's directory, instead of the recipe's ``output.directory``. Checkpoints and logs are kept in
            its folder ``training``.
        resume: Go on from the last complete checkpoint in the directory, if there is one. A training that is done is
            not done again.
        dry_run: Check the directory, build everything, the model and the data among it, and stop before the first step;
            nothing is written.

    Raises:
        RecipeError: The recipe does not fit what is there, data is missing, inconsistent, or another one for another
            process, or the directory holds something else.
    """
    if importlib.util.find_spec("accelerate") is None:
        raise RecipeError('training needs accelerate: pip install "mteb-hybrid[train]"')
    directory = output or recipe.output.directory
    if directory is None and not dry_run:
        raise RecipeError("output.directory: is missing; --output names it as well")
    check_paths(recipe)
    if recipe.training.precision == "fp16" and trains_on_cpu():
        raise RecipeError("training.precision: fp16 needs a GPU; bf16 works on CPUs too")

    from accelerate import PartialState

    if trains_on_cpu():
        # sentence-transformers 5.0 makes arguments of its own for the model card, which, unless told by the
        # environment, look for GPUs and forget the other processes
        os.environ["ACCELERATE_USE_CPU"] = "true"
    processes = PartialState(cpu=trains_on_cpu())  # from here on the sampler knows how many processes there are
    place = None if directory is None else OutputDirectory(directory)
    if place is not None:
        done = _first(processes, partial(place.check, recipe, resume=resume))
        if done is not None:
            logger.warning("%s is done already: nothing is left to train", place.path)
            return TrainingSummary.of(done, place.path)
    views = build_views(recipe)
    batches = plan_batches(recipe, views.train)
    evaluator = build_evaluator(recipe, views)
    check_same_data(views, processes.num_processes)
    checkpoint = None
    if dry_run:
        place = None
    with contextlib.ExitStack() as alone:
        if place is not None:
            checkpoint = _first(processes, partial(_begin, alone, place, recipe, views, processes.num_processes))
            if checkpoint is not None and processes.is_main_process:
                logger.warning("%s: going on from %s", place.path, checkpoint.name)
        model = load_model(recipe, views.train.languages)
        summary = TrainingSummary(
            output=None if place is None else str(place.path),
            items=views.train.collections,
            held_out=0 if views.held_out is None else views.held_out.num_items,
            languages=list(recipe.sampler.languages or views.train.languages),
            steps=batches.steps,
            processes=processes.num_processes,
        )
        if place is None:
            with tempfile.TemporaryDirectory() as scratch:  # the trainer makes its folder at once
                build_trainer(recipe, views, batches, model, evaluator, Path(scratch))
            return summary
        trainer = build_trainer(recipe, views, batches, model, evaluator, place.training)
        return _run(trainer, recipe, place, summary, processes, checkpoint)


def _begin(
    alone: contextlib.ExitStack, place: OutputDirectory, recipe: Recipe, views: Views, processes: int
) -> Path | None:
    """Note down what the training starts from; the last checkpoint if it was begun already."""
    alone.enter_context(place.alone())
    alone.enter_context(place.writing(processes))
    return place.begin(recipe, {**views.describe(), "model": base_revision(recipe)}, processes)


def several_processes() -> bool:
    """Whether other processes train together with this one."""
    from accelerate import PartialState

    return bool(PartialState().num_processes > 1)


def is_first_process() -> bool:
    """Whether this process is the one that writes files and talks."""
    from accelerate import PartialState

    return bool(PartialState().is_main_process)


def check_same_data(views: Views, processes: int) -> None:
    """Make sure that all processes read the same data, wherever they run: each of them makes its part of every batch.

    Raises:
        RecipeError: They do not, in all processes; the message names the machines.
    """
    if processes == 1:
        return
    from accelerate.utils import gather_object

    found: list[tuple[str, dict[str, Any]]] = gather_object([(socket.gethostname(), views.describe())])
    (first, wanted), *others = found
    if differing := dict.fromkeys(host for host, data in others if data != wanted):
        raise RecipeError(
            f"data: what is read on {', '.join(differing)} is not what is read on {first}. Copy the same files to all "
            "machines, or put them on storage that they share"
        )


def _first(processes: Any, look: Callable[[], Any]) -> Any:
    """What the first process finds, in all processes, be it an error."""
    from accelerate.utils import broadcast_object_list

    found: list[Any] = [None, None]
    if processes.is_main_process:
        try:
            found[0] = look()
        except MtebHybridError as error:
            found[1] = error
    answer, problem = broadcast_object_list(found)
    if problem is not None:
        raise problem
    return answer


def _run(
    trainer: SentenceTransformerTrainer,
    recipe: Recipe,
    place: OutputDirectory,
    summary: TrainingSummary,
    processes: Any,
    checkpoint: Path | None,
) -> TrainingSummary:
    """Train, evaluate, save; the model is there and complete before the summary is."""
    started = time.monotonic()
    if checkpoint is not None and training_ended(checkpoint, summary.steps, recipe.training.patience):
        take_result(trainer, checkpoint, best=recipe.training.keeps_best)
    else:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    seconds = time.monotonic() - started
    metrics = {} if recipe.evaluation is None else trainer.evaluate()
    summary = replace(
        summary,
        trained_steps=trainer.state.global_step,
        best_step=best_step(trainer.state) if recipe.training.keeps_best else None,
        seconds=seconds,
        metrics=_scores(metrics),
    )
    trainer.save_state()
    if processes.is_main_process:
        model: SentenceTransformer = trainer.model

        def save(folder: Path) -> None:
            model.save_pretrained(str(folder))
            write_card(folder / "README.md", recipe, summary)

        place.place_model(save)
        place.finish(asdict(summary))
    processes.wait_for_everyone()
    return summary


def _scores(metrics: dict[str, Any]) -> dict[str, float]:
    """What is a score of the model among the trainer's metrics, without its prefix."""
    timings = ("runtime", "samples_per_second", "steps_per_second", "epoch", "model_preparation_time")
    named = {name.removeprefix("eval_"): value for name, value in metrics.items()}
    return {name: float(value) for name, value in named.items() if name not in timings}
