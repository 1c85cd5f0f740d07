"""Question 10: what a user would do today, sentence-transformers' own samplers and in-batch loss, on the same pairs.

    python study/plain.py RECIPE --sampler batch-sampler [--set KEY=VALUE ...] --output DIR

The pairs are those that the recipe's `HybridBatchSampler` would draw, in as many steps; only which of them come
together in a batch is left to ``BatchSamplers.BATCH_SAMPLER`` or ``NO_DUPLICATES``. ``batch-sampler-masked`` keeps the
labels and takes `HybridLoss`, which masks translations of the right passage. A training that was interrupted starts
again.
"""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING

from datasets import Dataset
from folders import whole_folder
from plan import SAMPLERS
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.training_args import BatchSamplers

from mteb_hybrid.trainers import HybridLoss
from mteb_hybrid.trainers.recipes.data import build_views
from mteb_hybrid.trainers.recipes.model import load_model
from mteb_hybrid.trainers.recipes.reading import Recipe
from mteb_hybrid.trainers.recipes.trainer import plan_batches

if TYPE_CHECKING:
    from mteb_hybrid.trainers import ParallelDataset


def drawn_pairs(view: ParallelDataset, recipe: Recipe) -> Dataset:
    """The rows of all batches of the recipe, one after the other: ``query``, ``passage`` and ``label``."""
    size, wanted = recipe.training.batch_size, recipe.training.steps or 0
    sampler = plan_batches(recipe, view).sampler(view, batch_size=size, seed=recipe.training.seed)
    batches: list[list[int]] = []
    for epoch in itertools.count():
        if len(batches) >= wanted:
            break
        sampler.set_epoch(epoch)
        batches += sampler
    return Dataset.from_dict(view[list(itertools.chain.from_iterable(batches[:wanted]))])


def main() -> None:
    """Train one baseline."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--sampler", choices=SAMPLERS, required=True)
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    recipe = Recipe.read(options.recipe, options.changes)
    view = build_views(recipe).train
    pairs = drawn_pairs(view, recipe)
    model = load_model(recipe, view.languages)
    masked = options.sampler.endswith("masked")
    training = recipe.training
    share = training.warmup
    warmup = share if isinstance(share, int) else math.ceil(share * (training.steps or 0))
    with whole_folder(options.output) as temporary:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=str(temporary / "training"),
            max_steps=training.steps or -1,
            per_device_train_batch_size=training.batch_size,
            learning_rate=training.learning_rate,
            weight_decay=training.weight_decay,
            max_grad_norm=training.max_grad_norm,
            warmup_steps=warmup,
            lr_scheduler_type="linear",
            optim="adamw_torch",
            seed=training.seed,
            bf16=training.precision == "bf16",
            prompts=view.prompts(recipe.model.query_prompt, recipe.model.passage_prompt),
            batch_sampler=BatchSamplers.NO_DUPLICATES
            if options.sampler == "no-duplicates"
            else BatchSamplers.BATCH_SAMPLER,
            dataloader_drop_last=True,
            logging_steps=training.logging_steps,
            save_strategy="no",
            report_to="none",
        )
        trainer = SentenceTransformerTrainer(
            model,
            arguments,
            train_dataset=pairs if masked else pairs.remove_columns("label"),
            loss=HybridLoss(model) if masked else MultipleNegativesRankingLoss(model),
        )
        trainer.train()
        model.save_pretrained(str(temporary))


if __name__ == "__main__":
    main()
