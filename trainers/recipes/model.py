"""The model that a recipe trains, with the recipe's prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mteb_hybrid.errors import RecipeError
from mteb_hybrid.file_names import is_folder, user_path
from mteb_hybrid.models.directory import check_modules, directory_revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer

    from mteb_hybrid.trainers.recipes.reading import Recipe


def base_revision(recipe: Recipe) -> str:
    """What tells the base model from another of its name: a hash of a directory's files, or the hub's revision."""
    directory = user_path(recipe.model.name)
    return directory_revision(directory) if is_folder(directory) else recipe.model.revision or "main"


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
    directory = user_path(name)
    _check_length(recipe)
    card = SentenceTransformerModelCardData(
        language=list(recipe.sampler.languages or languages),
        local_files_only=True,  # the card asks the hub for nothing
    )
    try:
        if is_folder(directory):
            check_modules(directory)
        model = SentenceTransformer(
            str(directory.resolve()) if is_folder(directory) else name,
            revision=recipe.model.revision,
            model_card_data=card,
            trust_remote_code=False,
        )
    except Exception as error:  # whatever the many formats of models make of a missing or damaged file
        raise RecipeError(
            f"model.name: {name} cannot be loaded: {error}; name a model of sentence-transformers, on the hub or saved"
        ) from error
    model.float()  # in half precision small steps would round away
    if not is_folder(directory):
        card.base_model = name
    model.prompts = {"query": recipe.model.query_prompt, "document": recipe.model.passage_prompt}
    model.default_prompt_name = None
    if (length := recipe.model.max_seq_length) is not None:
        model.max_seq_length = length
    return model


def _check_length(recipe: Recipe) -> None:
    """Make sure that the model can read texts as long as the recipe wants, by its configuration alone."""
    from transformers import AutoConfig

    name, length = recipe.model.name, recipe.model.max_seq_length
    if length is None:
        return
    directory = user_path(name)
    try:
        config = AutoConfig.from_pretrained(
            str(directory) if is_folder(directory) else name, revision=recipe.model.revision, trust_remote_code=False
        )
    except Exception:  # noqa: BLE001 - it has another layout, or is no model, which loading it will say better
        return
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and length > positions:
        raise RecipeError(f"model.max_seq_length: must be at most {positions}, the positions of {name}, got {length}")
