"""The model that a recipe trains, with the recipe's prompts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mteb_hybrid.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer

    from mteb_hybrid.trainers.recipes.reading import Recipe


def load_model(recipe: Recipe, languages: Sequence[str]) -> SentenceTransformer:
    """The base model.

    Its prompts are the recipe's and no others, under the names that ``encode_query``, ``encode_document`` and MTEB look
    for: a prompt of the base model for some task would win over them in MTEB.

    Args:
        recipe: What to train.
        languages: Languages of the training data, for the model card.

    Raises:
        RecipeError: The model cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer, SentenceTransformerModelCardData

    name = recipe.model.name
    directory = Path(name).expanduser()
    card = SentenceTransformerModelCardData(
        language=list(recipe.sampler.languages or languages),
        local_files_only=True,  # the card asks the hub for nothing
    )
    try:
        model = SentenceTransformer(
            str(directory.resolve()) if directory.is_dir() else name,
            revision=recipe.model.revision,
            model_card_data=card,
        )
    except (OSError, ValueError) as error:
        raise RecipeError(f"model.name: {name} cannot be loaded: {error}") from error
    if not directory.is_dir():
        card.base_model = name
    model.prompts = {"query": recipe.model.query_prompt, "document": recipe.model.passage_prompt}
    model.default_prompt_name = None
    if (length := recipe.model.max_seq_length) is not None:
        config = getattr(getattr(model[0], "auto_model", None), "config", None)
        positions = getattr(config, "max_position_embeddings", None)
        if positions is not None and length > positions:
            raise RecipeError(f"model.max_seq_length: {name} has {positions} positions, got {length}")
        model.max_seq_length = length
    return model
