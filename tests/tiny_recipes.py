"""Recipes that train in seconds: a tiny model on MiniQA-R."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tiny_models import sentence_transformer

from mteb_hybrid.trainers.recipes import Recipe

TEXT = """
[model]
name = "{model}"
query_prompt = "ask "
passage_prompt = "tell "
max_seq_length = 48

[[data]]
kind = "collection"
name = "miniqa-r"
languages = ["de", "en", "es", "tr"]

[training]
steps = 4
batch_size = 4
learning_rate = 1e-3
logging_steps = 2
save_every = 2

[evaluation]
held_out = 8
every = 2
"""


def tiny_content(model: Path | str = "tiny") -> dict[str, Any]:
    """The tables of a small recipe."""
    return tomllib.loads(TEXT.format(model=model))


def tiny_recipe(model: Path | str, *changes: str) -> Recipe:
    """A small recipe with some other values."""
    return Recipe.parse(tiny_content(model), changes)


def write_recipe(path: Path, model: Path | str) -> Path:
    """The file of a small recipe."""
    path.write_text(TEXT.format(model=model), encoding="utf-8")
    return path


def tiny_model(folder: Path) -> Path:
    """A tiny model with dropout, prompts of its own, and one that MTEB would prefer to any of a recipe's."""
    return sentence_transformer(folder, prompts={"query": "old ", "Retrieval-query": "older "})


def dropless_model(folder: Path) -> Path:
    """A tiny model without dropout: what it learns does not depend on which process draws what."""
    return sentence_transformer(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
